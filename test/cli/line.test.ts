import { describe, expect, test } from 'vitest';
import { UNSET } from '../../src/main/cli/batch.ts';
import { excerpt, LINE_BYTES_MAX, TOO_LONG, TraceLine } from '../../src/main/cli/line.ts';

function parse(text: string | Buffer) {
  const bytes = Buffer.from(text as string);
  const line = new TraceLine();
  const wrong = line.parse(bytes, 0, bytes.length);
  const key = bytes.toString('utf8', line.keyStart, line.keyEnd);
  return wrong ?? { key, size: line.size, ttlSeconds: line.ttlSeconds };
}

describe('a good line', () => {
  test.each<[string, string, number, number]>([
    ['42', '42', UNSET, UNSET],
    ['user:1 100', 'user:1', 100, UNSET],
    ['user:1 0', 'user:1', 0, UNSET],
    ['user:1 100 3600', 'user:1', 100, 3600],
    ['user:1 100 0.5', 'user:1', 100, 0.5],
    ['user:1 100 1e3', 'user:1', 100, 1000],
    ['\t user:1 \t 100\t3600  ', 'user:1', 100, 3600],
    ['user:1 100\r', 'user:1', 100, UNSET],
    ['schlüssel 7', 'schlüssel', 7, UNSET],
    ['k 9007199254740991', 'k', Number.MAX_SAFE_INTEGER, UNSET],
  ])('%j is a request', (text, key, size, ttlSeconds) => {
    expect(parse(text)).toEqual({ key, size, ttlSeconds });
  });

  test('may be as long as a key may be', () => {
    expect(parse('k'.repeat(LINE_BYTES_MAX))).toMatchObject({ size: UNSET });
  });
});

describe('a bad line', () => {
  const size = 'the size is not a whole number of bytes';
  const ttl = 'the TTL is not a positive number of seconds';
  test.each<[string, string]>([
    ['', 'no key'],
    [' \t', 'no key'],
    ['\r', 'no key'],
    ['k -1', size],
    ['k 1.5', size],
    ['k x', size],
    ['k 0x10', size],
    ['k 9007199254740992', size],
    ['k 5\0', size],
    ['k 5 0', ttl],
    ['k 5 -1', ttl],
    ['k 5 soon', ttl],
    ['k 5 NaN', ttl],
    ['k 5 Infinity', ttl],
    ['k 5 1e300', ttl],
    ['k 5 9 9', 'more than three columns'],
    ['k\0ey 5', 'control bytes'],
    ['\x1b[2J', 'control bytes'],
    ['k\rk', 'control bytes'],
    ['k\x7f', 'control bytes'],
  ])('%j is told by what is wrong with it', (text, wrong) => {
    expect(parse(text)).toBe(wrong);
  });

  test('is one that is not UTF-8, since two such keys could become the same string', () => {
    expect(parse(Buffer.from([0xff, 0xfe]))).toBe('not UTF-8');
  });

  test('is one byte longer than the longest key', () => {
    expect(parse('k'.repeat(LINE_BYTES_MAX + 1))).toBe(TOO_LONG);
  });
});

test('an excerpt is short and cannot move the cursor of a terminal', () => {
  const bytes = Buffer.from(`a\x1b[2J\xe9${'b'.repeat(1000)}`, 'latin1');
  expect(excerpt(bytes, 0, bytes.length)).toBe(`a\\x1b[2J\\xe9${'b'.repeat(54)}...`);
});
