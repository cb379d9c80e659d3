/** The package as a stranger gets it: packed, installed into an empty folder, run without a loader. */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

test('the packed package runs from a plain node_modules', { timeout: 180_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'shardstash-pack-'));
  try {
    await run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: root });
    const [tarball] = await readdir(folder);
    await writeFile(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
    const install = ['install', '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts', `./${tarball}`];
    await run('npm', install, { cwd: folder, timeout: 150_000 });
    await writeFile(
      join(folder, 'script.mjs'),
      `import { openCache } from 'shardstash';
      import { XorFilter } from 'shardstash/filters';
      import { simulate } from 'shardstash/simulation';
      import { manualClock } from 'shardstash/testing';
      const clock = manualClock();
      const cache = await openCache({ shards: 2, maxBytes: '16mb', ttl: '10m', clock });
      try {
        await cache.set('user:1', { name: 'Ada' });
        console.log((await cache.get('user:1')).name, cache.getSync('user:1').name, await cache.size());
        clock.advance('10m');
        console.log(await cache.get('user:1'));
        const words = XorFilter.fromBytes(XorFilter.from(['ada', 'grace']).toBytes());
        console.log(words.has('ada'), words.size);
        const requests = { ids: Int32Array.of(0, 1, 0), keys: 2 };
        const [lru] = await simulate(requests, [{ eviction: 'lru', maxEntries: 2 }]);
        console.log(lru.hits);
      } finally {
        await cache.close();
      }`,
    );
    const { stdout } = await run(process.execPath, ['script.mjs'], { cwd: folder, timeout: 20_000 });
    expect(stdout.trim()).toBe('Ada Ada 1\nundefined\ntrue 2\n1');
    await expectReadmePolicy(folder);
    const packed = await readdir(join(folder, 'node_modules', 'shardstash'));
    expect(packed.sort()).toEqual(['CHANGELOG.md', 'LICENSE', 'README.md', 'dist', 'package.json']);
    const bin = join(folder, 'node_modules', '.bin', 'shardstash');
    const help = await run(bin, ['--help'], { cwd: folder, timeout: 20_000 });
    expect(help.stdout).toMatch(/replay[\s\S]*advise/);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

/** The README's policy, written down by whoever has read it, and run. */
async function expectReadmePolicy(folder: string): Promise<void> {
  const readme = await readFile(join(folder, 'node_modules', 'shardstash', 'README.md'), 'utf8');
  for (const [, name, body] of readme.matchAll(/```js\n\/\/ (\S+\.mjs)\n(.*?)```/gs)) {
    await writeFile(join(folder, name as string), body as string);
  }
  const main = await run(process.execPath, ['main.mjs'], { cwd: folder, timeout: 20_000 });
  expect(main.stdout).toContain('page:2');
  const check = await run(process.execPath, ['check.mjs'], { cwd: folder, timeout: 20_000 });
  expect([check.stdout.trim(), check.stderr]).toEqual(['true', '']);
}
