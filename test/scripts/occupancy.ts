/**
 * npm run long -- occupancy [--sets 50000000] [--bytes 268435456] [--seed n]
 *
 * Is nine tenths of a shard's memory in use after hours of mixed sizes, and four fifths at the worst moment of a shift
 * from small values to large ones? See test/support/occupancy.ts for what is run.
 */
import { parseArgs } from 'node:util';
import { Occupancy, type Phase, type Sample, type Sizes } from '../support/occupancy.ts';
import { SEED } from '../support/random.ts';

const MIXED: Sizes = { least: 1, most: 64 * 1024 };
/** Small enough to be many, large enough that their 24 bytes of columns leave nine tenths to the blocks. */
const SMALL: Sizes = { least: 256, most: 1024 };
const LARGE: Sizes = { least: 16 * 1024, most: 64 * 1024 };
const STEADY_LEAST = 0.9;
const SHIFT_LEAST = 0.8;

export async function occupancy(args: string[]): Promise<boolean> {
  const { values } = parseArgs({
    args,
    options: {
      sets: { type: 'string', default: '50000000' },
      bytes: { type: 'string', default: `${256 * 1024 * 1024}` },
      seed: { type: 'string', default: `${SEED}` },
    },
  });
  const [sets, bytesMax, seed] = [Number(values.sets), Number(values.bytes), Number(values.seed)];
  console.log(`${sets} sets of ${MIXED.least} to ${MIXED.most} bytes into ${bytesMax} bytes, LRU, seed ${seed}`);

  const steadyShard = new Occupancy(bytesMax, Math.ceil((bytesMax / 5_900) * 2), seed);
  steadyShard.fill(MIXED);
  const steady = steadyShard.run(sets, MIXED, 1_000, everyNth(100, show));
  steadyShard.shard.check();
  report('steady', steady);

  const shiftShard = new Occupancy(bytesMax, Math.ceil((bytesMax / 600) * 2), seed);
  shiftShard.fill(SMALL);
  report('small', shiftShard.run(Math.ceil(bytesMax / 100), SMALL, 100));
  // Enough large values to replace everything three times.
  const shift = shiftShard.run(Math.ceil((bytesMax / 32_000) * 3), LARGE, 1_000, everyNth(100, show));
  shiftShard.shard.check();
  report('shift', shift);

  const isWell = steady.least >= STEADY_LEAST && shift.least >= SHIFT_LEAST;
  console.log(
    `steady at least ${percent(steady.least)} (${percent(STEADY_LEAST)} asked), ` +
      `shift at least ${percent(shift.least)} (${percent(SHIFT_LEAST)} asked): ${isWell ? 'reached' : 'NOT REACHED'}`,
  );
  return isWell;
}

function show({ sets, live, accounted }: Sample): void {
  console.log(`${String(sets).padStart(12)} sets: live blocks ${percent(live)}, accounted ${percent(accounted)}`);
}

function report(name: string, phase: Phase): void {
  console.log(
    `${name}: live blocks min ${percent(phase.least)}, average ${percent(phase.average)}; ` +
      `accounted at most ${percent(phase.accountedMost)}; moved ${phase.movedBytesPerSet.toFixed(0)} bytes a set; ` +
      `${phase.evictionsPerSet.toFixed(2)} evictions a set; ${phase.nsPerSet.toFixed(0)} ns a set and a get`,
  );
}

function everyNth<T>(n: number, visit: (item: T) => void): (item: T) => void {
  let count = 0;
  return (item) => {
    if (count++ % n === 0) visit(item);
  };
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}
