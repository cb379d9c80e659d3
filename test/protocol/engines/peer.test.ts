import { expect, test } from 'vitest';
import { loadPeer } from '../../../src/protocol/engines/peer.ts';
import { loadSqlite } from '../../../src/protocol/engines/sqlite/driver.ts';

const failing = (code: string, message: string) => () => Promise.reject(Object.assign(new Error(message), { code }));

test('a package that is not installed is named with what installs it', async () => {
  // As Node says it, for a package of its own.
  const missing = 'shardstash-no-such-package';
  await expect(loadPeer('The engine `x`', missing, () => import(missing))).rejects.toMatchObject({
    code: 'MISSING_DEPENDENCY',
    message: `The engine \`x\` needs the package \`${missing}\`: npm install ${missing}`,
  });
});

test('a package that is there and does not load is another matter', async () => {
  const load = failing('MODULE_NOT_FOUND', "Cannot find module '@libsql/linux-x64-gnu'");
  await expect(loadPeer('The engine `sqlite`', 'libsql', load)).rejects.toMatchObject({
    code: 'ENGINE_ERROR',
    message: expect.stringContaining("cannot load the package `libsql`: Cannot find module '@libsql/linux-x64-gnu'"),
  });
});

test('sqlite asks for libsql only where the Node has no SQLite', async () => {
  const missing = failing('ERR_MODULE_NOT_FOUND', "Cannot find package 'libsql' imported from here");
  await expect(loadSqlite(null, missing)).rejects.toMatchObject({ code: 'MISSING_DEPENDENCY' });
  const builtin = { DatabaseSync: class {} as never };
  expect(await loadSqlite(builtin, missing)).toBeTypeOf('function');
});
