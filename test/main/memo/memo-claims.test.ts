/** Who computes a key of a memo file, as it is seen by those who wait: threads and processes that have ended included. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { LEASE_MS } from '../../../src/main/memo/file/claim-table.ts';
import { CLAIM, FREEZE, frameOf } from '../../../src/main/memo/file/frame.ts';
import { inspectMemoFile } from '../../../src/main/memo/file/inspect.ts';
import { diskFiles, type Files } from '../../../src/protocol/files.ts';
import { OWN_MARK } from '../../../src/protocol/process-mark.ts';
import { MemoFolder, record } from '../../support/memo-folder.ts';

/** Above what any system gives its processes. */
const NO_PID = 2 ** 30;
const [HOST, , BEGAN] = OWN_MARK.split('-') as [string, string, string];
const DEAD = `${HOST}-${NO_PID}-${BEGAN}`;
const ELSEWHERE = `${HOST === '00000000' ? '11111111' : '00000000'}-17-0`;

let folder: MemoFolder;

beforeEach(() => {
  folder = new MemoFolder();
});

afterEach(() => {
  vi.useRealTimers();
  folder.remove();
});

/** Appends what another thread or process would have appended. */
function claimed(mark: string, expiresAtMs: number, ticket = 5): void {
  const payload = Buffer.from(mark);
  folder.log().append(frameOf({ kind: CLAIM, key: 'k', payload, ticket, createdAtMs: Date.now(), expiresAtMs }));
}

describe('a claim', () => {
  test('of a process that has ended is over', () => {
    claimed(DEAD, Date.now() + LEASE_MS);
    expect(folder.open().claim('k').isGranted).toBe(true);
  });

  test('of another machine, or container, counts until its lease is over', async () => {
    claimed(ELSEWHERE, Date.now() + LEASE_MS);
    const file = folder.open();
    const claim = file.claim('k');
    expect(claim).toMatchObject({ isGranted: false, holder: 'process 17 of another machine' });
    expect(claim.waitSync(3)).toBe(false);
    expect(await claim.wait(3)).toBe(false);
    claimed(ELSEWHERE, Date.now());
    expect(file.claim('k').isGranted).toBe(true);
  });

  test('whose lease a clock has given that was set back since is over', () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    claimed(OWN_MARK, Date.now() + LEASE_MS);
    vi.setSystemTime(Date.now() - 3_600_000);
    expect(folder.open().claim('k').isGranted).toBe(true);
  });

  test('of another thread of this process counts until its lease is over', () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    claimed(OWN_MARK, Date.now() + LEASE_MS);
    const file = folder.open();
    expect(file.claim('k')).toMatchObject({ isGranted: false, holder: 'this process' });
    // Renewed, by the same ticket.
    vi.setSystemTime(Date.now() + LEASE_MS - 1);
    claimed(OWN_MARK, Date.now() + LEASE_MS);
    vi.setSystemTime(Date.now() + LEASE_MS - 1);
    expect(file.claim('k').isGranted).toBe(false);
    vi.setSystemTime(Date.now() + 1);
    expect(file.claim('k').isGranted).toBe(true);
  });

  test('is renewed while the work runs, and no longer', () => {
    vi.useFakeTimers();
    const file = folder.open();
    const leases: number[] = [];
    const log = folder.log((frame) => {
      if (frame.kind === CLAIM) leases.push(frame.expiresAtMs - frame.createdAtMs);
    });
    file.claim('k');
    file.claim('other').release();
    vi.advanceTimersByTime(LEASE_MS);
    file.set('k', record(1));
    vi.advanceTimersByTime(LEASE_MS);
    log.refresh();
    expect(leases).toEqual([LEASE_MS, LEASE_MS, LEASE_MS, LEASE_MS, LEASE_MS]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('that others hold is waited for until somebody ends the wait', async () => {
    const [one, other] = [folder.open(), folder.open()];
    one.claim('k');
    const claim = other.claim('k');
    const ending = new AbortController();
    const waiting = claim.wait(60_000, ending.signal);
    ending.abort();
    expect(await waiting).toBe(false);
    expect(await claim.wait(60_000, ending.signal)).toBe(false);
    // The thread that sleeps cannot compute what it waits for.
    expect(claim.waitSync(60_000)).toBe(false);
    const next = claim.wait(60_000);
    one.set('k', record(1));
    expect(await next).toBe(true);
    expect(claim.waitSync(60_000)).toBe(true);
  });

  test('ends with its opener, and a wait with its own', async () => {
    const [one, other] = [folder.open(), folder.open()];
    one.claim('k');
    const waiting = other.claim('k').wait(60_000);
    one.close();
    expect(await waiting).toBe(true);
    expect(other.claim('k').isGranted).toBe(true);
    const third = folder.open();
    const failing = third.claim('k').wait(60_000);
    third.close();
    await expect(failing).rejects.toMatchObject({ code: 'STORE_CLOSED', path: folder.path });
  });

  test('is granted to the first in the file of those who have asked at the same time', () => {
    const other = folder.open();
    const granted: boolean[] = [];
    let isArmed = false;
    // Both have looked, and nobody had the key.
    const writeSync = ((...args: Parameters<typeof diskFiles.writeSync>) => {
      if (isArmed) {
        isArmed = false;
        granted.push(other.claim('k').isGranted);
      }
      return diskFiles.writeSync(...args);
    }) as Files['writeSync'];
    const file = folder.open({ files: { ...diskFiles, writeSync } });
    isArmed = true;
    granted.push(file.claim('k').isGranted);
    expect(granted).toEqual([true, false]);
    // The second has taken back what it asked.
    expect(inspectMemoFile(folder.path).computing).toBe(1);
  });

  test('is refused where a result has come between the look and the claim', () => {
    const other = folder.open();
    let isArmed = false;
    const writeSync = ((...args: Parameters<typeof diskFiles.writeSync>) => {
      if (isArmed) {
        isArmed = false;
        other.set('k', record(1));
      }
      return diskFiles.writeSync(...args);
    }) as Files['writeSync'];
    const file = folder.open({ files: { ...diskFiles, writeSync } });
    expect(file.get('k')).toBeUndefined();
    isArmed = true;
    expect(file.claim('k').isGranted).toBe(false);
    expect(file.get('k')?.result).toBe(1);
    expect(inspectMemoFile(folder.path).computing).toBe(0);
  });
});

describe('a file that was frozen', () => {
  const frozen = (mark: string, expiresAtMs: number) =>
    folder.log().append(frameOf({ kind: FREEZE, payload: Buffer.from(mark), ticket: 7, createdAtMs: 0, expiresAtMs }));

  test('by a process that has ended goes on', () => {
    const file = folder.open();
    file.set('a', record(1));
    expect(() => frozen(DEAD, Date.now() + 60_000)).not.toThrow();
    file.set('b', record(2));
    expect([file.get('a')?.result, folder.open().get('b')?.result]).toEqual([1, 2]);
  });

  test('goes on once the lease is over', () => {
    const file = folder.open();
    frozen(OWN_MARK, Date.now() - 1);
    file.set('b', record(2));
    expect(folder.open().get('b')?.result).toBe(2);
  });
});

test('what is closed says so', () => {
  const file = folder.open();
  file.close();
  file.close();
  const closed = expect.objectContaining({ code: 'STORE_CLOSED' });
  expect(() => file.get('a')).toThrow(closed);
  expect(() => file.set('a', record(1))).toThrow(closed);
  expect(() => file.claim('a')).toThrow(closed);
  expect(() => file.keys()).toThrow(closed);
});
