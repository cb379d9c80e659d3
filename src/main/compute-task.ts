/**
 * What a thread of the compute pool runs: the function of a user's module, and the encoding of what it returns, so that
 * the calling thread gets bytes that it can store as they are.
 *
 * Nothing is thrown from here: an error of the user's goes back taken apart, and what is rejected there is the pool's.
 */
import { workerData } from 'node:worker_threads';
import { move, transferableSymbol, valueSymbol } from 'piscina';
import { describe, describeThrown } from '../protocol/describe.ts';
import type { ComputeOutcome, ComputeTask } from './compute.ts';
import { computing } from './computing.ts';
import type { ResolvedModule } from './plugin.ts';
import { createCodec, loadSerializer, resolveSerializer, type ValueCodec } from './serializers/index.ts';
import { thrownOf } from './thrown.ts';

let loading: Promise<ValueCodec> | undefined;

/** The pool's task. */
export default async function compute({ module, export: name, args, chain }: ComputeTask): Promise<unknown> {
  try {
    const make = await load(module, name);
    loading ??= loadCodec();
    const codec = await loading;
    codec.encode(await computing.run(chain, () => make(...args)));
    // A copy, of memory that the codec goes on using.
    const bytes = new Uint8Array(codec.byteLength);
    bytes.set(codec.bytes.subarray(0, codec.byteLength));
    return moved({ tag: codec.tag, bytes }, bytes.buffer);
  } catch (error) {
    return { thrown: thrownOf(error) } satisfies ComputeOutcome;
  }
}

async function load(module: string, name: string): Promise<(...args: readonly unknown[]) => unknown> {
  let exports: Record<string, unknown>;
  try {
    exports = (await import(module)) as Record<string, unknown>;
  } catch (cause) {
    const expected = 'a module that a worker thread can import, without loaders';
    throw unknown(`Expected \`task.module\` to be ${expected}: ${module}: ${describeThrown(cause)}`, [], { cause });
  }
  const names = Object.keys(exports).sort();
  if (!Object.hasOwn(exports, name)) {
    const there = names.length === 0 ? 'It exports nothing' : `Its exports: ${names.join(', ')}`;
    throw unknown(`Expected \`task.export\` to be an export of ${module}, got '${name}'. ${there}`, names);
  }
  const make = exports[name];
  if (typeof make !== 'function') {
    const place = `the export \`${name}\` of ${module}`;
    throw unknown(`Expected ${place} to be a function that makes a value, got ${describe(make)}`, names);
  }
  return make as (...args: readonly unknown[]) => unknown;
}

async function loadCodec(): Promise<ValueCodec> {
  return createCodec(await loadSerializer(resolveSerializer(workerData as string | ResolvedModule)));
}

function unknown(message: string, available: readonly string[], options?: ErrorOptions): TypeError {
  return Object.assign(new TypeError(message, options), { code: 'UNKNOWN_PLUGIN', option: 'task', available });
}

/** The same, whose memory changes hands instead of being copied once more. */
function moved(outcome: ComputeOutcome, memory: ArrayBuffer): unknown {
  return move({ [transferableSymbol]: memory, [valueSymbol]: outcome } as unknown as Parameters<typeof move>[0]);
}
