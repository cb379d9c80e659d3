/**
 * What does each part of the library take by itself, and how far is that from what the machine asks for?
 *
 * Everything runs in this thread. What copies is measured beside `set` of as many bytes, what waits for memory beside a
 * walk through as much of it. A new subject is one file and one line.
 */
import type { Bench, Report, RunOptions } from '../support/bench.ts';
import { type Figure, pick } from '../support/figure.ts';
import { measureMicro } from '../support/micro.ts';
import { compare, type Ratio } from '../support/ratio.ts';
import { paceOf } from '../support/rounds.ts';
import { arena } from './arena.ts';
import { filter } from './filter.ts';
import { frame } from './frame.ts';
import { hit } from './hit.ts';
import { key } from './key.ts';
import { reader } from './reader.ts';
import type { PrepareSubject } from './subject.ts';
import { wheel } from './wheel.ts';

const subjects = { key, reader, hit, filter, arena, wheel, frame } satisfies Record<string, PrepareSubject>;

export const micro: Bench = {
  question: 'What does each part of the library take by itself, and how far is that from what the machine asks for?',

  async run(options: RunOptions): Promise<Report> {
    const figures: Figure[] = [];
    const ratios: Ratio[] = [];
    for (const [name, prepare] of Object.entries(subjects)) {
      options.progress(`measuring ${name}`);
      const { tasks, floors } = prepare(options.quick);
      figures.push(...(await measureMicro(tasks, paceOf(options))));
      for (const [task, floor] of Object.entries(floors)) {
        ratios.push(compare(pick(figures, task), pick(figures, floor), { what: task }));
      }
    }
    return {
      setup: { subjects: Object.keys(subjects).join(', ') },
      figures,
      ratios,
      notes: ['A step of a walk waits for the one before it; operations on different keys can overlap.'],
    };
  },
};
