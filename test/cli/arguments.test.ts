import { expect, test } from 'vitest';
import { asUsageError } from '../../src/main/cli/arguments.ts';
import { UsageError } from '../../src/main/cli/command.ts';
import { optionError } from '../../src/main/option-errors.ts';

test('what is wrong with an option is misuse, in the words of the command line', () => {
  const error = asUsageError(optionError('maxBytes', 'less', 5));
  expect(error).toBeInstanceOf(UsageError);
  expect((error as Error).message).toMatch(/^Expected --max-bytes to be less/);
});

test('what is wrong with the requests is no misuse: no argument would help', () => {
  for (const error of [optionError('requests', 'good', 5), optionError('ids', 'fewer', 5), new Error('other')]) {
    expect(asUsageError(error)).toBe(error);
  }
});
