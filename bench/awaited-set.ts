/**
 * What does a set cost that is awaited before the next is made, beside a call that does nothing?
 *
 * Nothing can be batched here: each set is one frame there and one reply back. So it is measured beside a bare Comlink
 * call and a raw postMessage round trip that carry the bytes of that very frame to an idle thread, which answers with a
 * number, as a shard does. What a call takes above those is ours to answer for. With `lane: 'wake'` most calls need no
 * message; what its threads cost when nobody calls them is among the notes.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { openCache } from 'shardstash';
import { FrameWriter } from '../src/protocol/frame.ts';
import { KeyEncoder } from '../src/protocol/key.ts';
import { OP_SET } from '../src/protocol/operations.ts';
import { BareComlink } from './peers/bare-comlink.ts';
import { RawPort } from './peers/raw-port.ts';
import { Shardstash } from './peers/shardstash.ts';
import type { Bench, Report, RunOptions } from './support/bench.ts';
import { type Figure, pick } from './support/figure.ts';
import { at, keyOf, keysOf, uniformIds } from './support/keys.ts';
import { inFlight, type Load, measureLoads } from './support/load.ts';
import { compare } from './support/ratio.ts';
import { paceOf } from './support/rounds.ts';
import { TEXT_100_BYTES } from './support/values.ts';

const ENTRIES = 10_000;
const ONE_AT_A_TIME = 1;
const IDLE_SHARDS = 8;
const IDLE_MS = 3_000;

export const awaitedSet: Bench = {
  question: 'What does a set cost that is awaited before the next is made, beside a call that does nothing?',

  async run(options: RunOptions): Promise<Report> {
    const ours = await Shardstash.open<string>({});
    const woken = await Shardstash.open<string>({ lane: 'wake' }, "shardstash, lane: 'wake'");
    const comlink = new BareComlink();
    const port = new RawPort();
    try {
      for (const each of [ours, woken]) await each.fill(keysOf(ENTRIES), () => TEXT_100_BYTES);
      const ids = uniformIds(ENTRIES);
      const bytes = frameOfOneSet();
      let cursor = 0;
      const loads: Load[] = [
        ...[ours, woken].map((each) => ({
          name: `awaited set: ${each.name}`,
          run: (operations: number) =>
            inFlight(ONE_AT_A_TIME, operations, () => each.set(keyOf(at(ids, cursor++)), TEXT_100_BYTES)),
        })),
        ...[comlink, port].map((echo) => ({
          name: echo.name,
          run: (operations: number) => inFlight(ONE_AT_A_TIME, operations, () => echo.call(bytes)),
        })),
      ];
      options.progress('measuring');
      const figures = await measureLoads(loads, paceOf(options));
      options.progress('idling');
      const notes = [];
      for (const lane of ['comlink', 'wake'] as const) notes.push(await idleNote(lane, options));
      const [set, wokenSet] = [ours, woken].map(({ name }) => pick(figures, `awaited set: ${name}`)) as [
        Figure,
        Figure,
      ];
      const what = 'awaited set, one at a time';
      const whatWoken = `${what}, lane: 'wake'`;
      return {
        setup: {
          entries: ENTRIES,
          distribution: 'uniform, overwriting',
          values: '100 bytes of text',
          bytes: `${bytes.length} a call`,
          shards: ours.cache.config.shards,
        },
        figures,
        ratios: [
          compare(set, pick(figures, comlink.name), { what, reach: 1.3 }),
          compare(set, pick(figures, port.name), { what }),
          compare(wokenSet, pick(figures, comlink.name), { what: whatWoken }),
          compare(wokenSet, pick(figures, port.name), { what: whatWoken, andThen: 1 }),
        ],
        notes,
      };
    } finally {
      await ours.close();
      await woken.close();
      await comlink.close();
      await port.close();
    }
  },
};

/** What shards cost that were called one after another, and are not called any more. */
async function idleNote(lane: 'comlink' | 'wake', { quick }: RunOptions): Promise<string> {
  const cache = await openCache({ lane, shards: IDLE_SHARDS });
  try {
    for (let i = 0; i < ENTRIES; i++) await cache.set(keyOf(i), TEXT_100_BYTES);
    const [before, beganMs] = [process.cpuUsage(), performance.now()];
    await sleep(quick ? IDLE_MS / 10 : IDLE_MS);
    const { user, system } = process.cpuUsage(before);
    const share = (user + system) / 1_000 / (performance.now() - beganMs);
    return `${IDLE_SHARDS} idle shards, lane '${lane}': ${(share * 100).toFixed(2)} % of a core, the whole process counted`;
  } finally {
    await cache.close();
  }
}

function frameOfOneSet(): Uint8Array {
  const key = new KeyEncoder({ low: 0, high: 0 });
  key.encode(keyOf(ENTRIES - 1));
  const value = Buffer.from(TEXT_100_BYTES);
  const frame = new FrameWriter();
  frame.add(OP_SET, key, 0, 0, value, value.length);
  return frame.seal();
}
