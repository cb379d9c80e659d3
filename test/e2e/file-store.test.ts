import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore } from 'shardstash/store';
import { expect, test } from 'vitest';
import { packageRoot } from '../support/package-root.ts';

const KEYS = 60;

/** Makes, takes and reads what the others make, take and write at the same time. */
const CLIENT = `
  import { openStore } from 'shardstash/store';
  const [, root, client] = process.argv;
  const store = await openStore({ name: 'shared', engine: 'file', root });
  let made = 0;
  let taken = 0;
  for (let i = 0; i < ${KEYS}; i++) {
    await store.add('new ' + i, client).then(() => made++, (error) => { if (error.code !== 'KEY_EXISTS') throw error; });
    if (await store.pop('token ' + i) !== undefined) taken++;
    await store.set('torn', client.repeat(1 + client * 9000));
    const read = await store.get('torn');
    if (new Set(read).size !== 1) throw new Error('a torn read of ' + read?.length);
  }
  await store.close();
  console.log(JSON.stringify({ made, taken }));
`;

function runClient(root: string, client: string): Promise<{ made: number; taken: number }> {
  const args = ['--input-type=module', '-e', CLIENT, root, client];
  const child = spawn(process.execPath, args, { cwd: packageRoot(), stdio: ['ignore', 'pipe', 'inherit'] });
  let told = '';
  child.stdout.on('data', (chunk: Buffer) => {
    told += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.once('close', (code) => (code === 0 ? resolve(JSON.parse(told)) : reject(new Error(`ended with ${code}`))));
  });
}

test('processes share a store of files: each entry is made and taken once, and no read is torn', async () => {
  const root = mkdtempSync(join(tmpdir(), 'shardstash-shared-'));
  try {
    const store = await openStore<string>({ name: 'shared', engine: 'file', root });
    await store.setMany(Array.from({ length: KEYS }, (_, i) => [`token ${i}`, 'x'] as const));
    const done = await Promise.all(['1', '2', '3'].map((client) => runClient(root, client)));
    const sum = (of: 'made' | 'taken') => done.reduce((total, each) => total + each[of], 0);
    expect([sum('made'), sum('taken'), await store.size()]).toEqual([KEYS, KEYS, KEYS + 1]);
    for await (const finding of store.verify()) expect(finding).toBe(undefined);
    await store.close();
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});
