/**
 * npm run long -- clients [--attaches 10000] [--seconds 10]
 *
 * Do clients that come and go leave anything behind? And does a client read and write as fast while the thread that opened
 * the cache is blocked?
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { attachCache, type Cache, openCache } from 'shardstash';
import { packageRoot } from '../support/package-root.ts';

const READER = new URL('test/support/pacing-client.mjs', packageRoot());

interface Pace {
  readonly reads: number;
  readonly writes: number;
}

export async function clients(args: string[]): Promise<boolean> {
  const { values } = parseArgs({
    args,
    options: { attaches: { type: 'string', default: '10000' }, seconds: { type: 'string', default: '10' } },
  });
  const cache = await openCache({ shards: 2, maxBytes: '32mb' });
  const left = await attachAndDetach(cache, Number(values.attaches));
  const isBlockedAsFast = await block(cache, Number(values.seconds) * 1_000);
  await cache.close();
  return left === 1 && isBlockedAsFast;
}

/** How many clients there are at the end. */
async function attachAndDetach(cache: Cache, count: number): Promise<number> {
  await once(cache, 1_000);
  const before = await usage();
  const startMs = performance.now();
  await once(cache, count);
  const ms = performance.now() - startMs;
  const after = await usage();
  const { clients: left } = await cache.metrics();
  console.log(
    `${count} attaches and detaches in ${(ms / 1_000).toFixed(1)} s, ${((ms / count) * 1_000).toFixed(0)} us each`,
  );
  console.log(`left: ${left - 1} clients, ${after.resources - before.resources} resources`);
  console.log(
    `      ${after.arrayBuffers - before.arrayBuffers} bytes of buffers, ${after.heap - before.heap} of heap`,
  );
  return left;
}

async function once(cache: Cache, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const client = await attachCache(cache.handle());
    await client.set('k', i);
    await client.get('k');
    await client.close();
  }
}

async function usage(): Promise<{ resources: number; arrayBuffers: number; heap: number }> {
  for (let i = 0; i < 5; i++) {
    globalThis.gc?.();
    await sleep(50);
  }
  const { arrayBuffers, heapUsed: heap } = process.memoryUsage();
  return { resources: process.getActiveResourcesInfo().length, arrayBuffers, heap };
}

/** A client's pace while this thread sleeps on its event loop, and while it is blocked. */
async function block(cache: Cache, ms: number): Promise<boolean> {
  for (let i = 0; i < 10_000; i++) void cache.set(i, { id: i, name: `entry ${i}` });
  await cache.set('filled', true);
  const { port1, port2 } = new MessageChannel();
  const handle = cache.handle();
  const worker = new Worker(READER, {
    execArgv: [],
    workerData: { handle, port: port2 },
    transferList: [...handle.transfer, port2],
  });
  const pace = async (blocked: boolean): Promise<Pace> => {
    port1.postMessage(ms);
    if (blocked) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms + 500);
    }
    for (;;) {
      const answer = receiveMessageOnPort(port1) as { message: Pace } | undefined;
      if (answer !== undefined) return answer.message;
      await sleep(20);
    }
  };
  await pace(false);
  const free = await pace(false);
  const blocked = await pace(true);
  await worker.terminate();
  console.log(`a client beside an opener that is free:    ${line(free, ms)}`);
  console.log(`a client beside an opener that is blocked: ${line(blocked, ms)}`);
  return blocked.reads > free.reads / 2 && blocked.writes > free.writes / 2;
}

function line({ reads, writes }: Pace, ms: number): string {
  return `${Math.round((reads / ms) * 1_000)} reads/s, then ${Math.round((writes / ms) * 1_000)} awaited writes/s`;
}
