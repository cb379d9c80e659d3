/**
 * Every JavaScript block of the README runs as it stands, and prints what its `// ->` comments say. One whose first line
 * is the name of a file, `// main.mjs`, is written under that name, so that others can import it.
 */
import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';

const run = promisify(execFile);
const root = new URL('../../', import.meta.url);
const readme = await readFile(new URL('README.md', root), 'utf8');
// Inside the package, so that its name resolves as it does for whoever has installed it.
const folder = new URL('build/readme/', root);
const snippets = [...readme.matchAll(/```js\n(.*?)```/gs)].map(([, text], i) => {
  const body = text as string;
  return { name: /^\/\/ (\S+\.mjs)\n/.exec(body)?.[1] ?? `snippet-${i + 1}.mjs`, body };
});

beforeAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await Promise.all(snippets.map(({ name, body }) => writeFile(new URL(name, folder), body)));
});

describe('README', () => {
  test('has a runnable example on its first screen', () => {
    expect(readme.split('\n').slice(0, 45).join('\n')).toContain('```js');
    expect(snippets.length).toBeGreaterThan(1);
  });

  test('gives no two files the same name', () => {
    expect(new Set(snippets.map(({ name }) => name)).size).toBe(snippets.length);
  });

  test.each(snippets)('$name runs and prints what it says', async ({ name, body }) => {
    const file = fileURLToPath(new URL(name, folder));
    const { stdout, stderr } = await run(process.execPath, [file], { timeout: 30_000 });
    expect(stderr).toBe('');
    const said = [...body.matchAll(/\/\/ -> (.*)/g)].map(([, text]) => text);
    expect(stdout.trim().split('\n').filter(Boolean)).toEqual(said);
  });
});
