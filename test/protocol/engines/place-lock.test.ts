/** Whose the lock of a directory is: the engine's own, unless the one who opens it holds it already. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type EngineName, engines } from '../../../src/protocol/engines/index.ts';
import { isLockName, lockDirectory } from '../../../src/protocol/engines/lock.ts';
import { diskFiles } from '../../../src/protocol/files.ts';

test.each(['log', 'disk', 'json'] satisfies EngineName[])(
  'an engine %s whose directory the caller has locked neither takes the lock nor gives it back',
  async (name) => {
    const directory = mkdtempSync(join(tmpdir(), 'shardstash-lock-'));
    try {
      const unlock = await lockDirectory(diskFiles, directory);
      const place = { name, directory, options: {}, files: diskFiles, warn: () => {} };
      await expect(engines[name].open(place)).rejects.toMatchObject({ code: 'LOCKED' });
      const engine = await engines[name].open({ ...place, isLocked: true });
      await engine.set('k', Buffer.from('record'));
      await engine.close();
      expect(readdirSync(directory).filter(isLockName)).toHaveLength(1);
      unlock();
      expect(readdirSync(directory).filter(isLockName)).toEqual([]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
);
