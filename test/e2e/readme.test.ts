/** Every JavaScript block of the README runs as it stands, and prints what its `// ->` comments say. */
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';

const run = promisify(execFile);
const root = new URL('../../', import.meta.url);
const readme = await readFile(new URL('README.md', root), 'utf8');
const snippets = [...readme.matchAll(/```js\n(.*?)```/gs)].map(([, body]) => body as string);

describe('README', () => {
  test('has a runnable example on its first screen', () => {
    expect(readme.split('\n').slice(0, 45).join('\n')).toContain('```js');
    expect(snippets.length).toBeGreaterThan(1);
  });

  test.each(snippets.map((body, i) => [i + 1, body] as const))(
    'snippet %i runs and prints what it says',
    async (i, body) => {
      // Inside the package, so that the name resolves as it does for whoever has installed it.
      const folder = new URL('build/readme/', root);
      await mkdir(folder, { recursive: true });
      const file = fileURLToPath(new URL(`snippet-${i}.mjs`, folder));
      await writeFile(file, body);
      const { stdout, stderr } = await run(process.execPath, [file], { timeout: 30_000 });
      expect(stderr).toBe('');
      const said = [...body.matchAll(/\/\/ -> (.*)/g)].map(([, text]) => text);
      expect(stdout.trim().split('\n').filter(Boolean)).toEqual(said);
    },
  );
});
