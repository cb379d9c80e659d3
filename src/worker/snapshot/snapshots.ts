/**
 * An owner's part in saving and loading snapshots: takes tasks of the opener and answers each, once. `protocol/snapshot/tasks.ts`
 * says what they are.
 *
 * A save is done in slices, one in a turn of the event loop, so that frames come between them; a second one of the same shard waits
 * for the first. Everything else is done at once: a block is small. What the file system refuses, and what is wrong with a file, is
 * answered; any other fault ends the thread, as it does in a frame.
 *
 * Beside the time that as many sets take in their owner, 1 M entries of 100 bytes (lru): to save them takes 0.2 of it, file and
 * checksums included, to check them 0.12, to route them 0.18, to install them 0.4 to 0.7.
 */
import { thrownText } from '../../protocol/describe.ts';
import { CacheError } from '../../protocol/errors.ts';
import { diskFiles, type Files } from '../../protocol/files.ts';
import type { ShardMemory } from '../../protocol/memory.ts';
import type {
  SaveTask,
  SnapshotAnswer,
  SnapshotReply,
  SnapshotRequest,
  SnapshotTask,
  TaskFailure,
} from '../../protocol/snapshot/tasks.ts';
import type { FrameClock } from '../frame-clock.ts';
import type { Shard } from '../shard.ts';
import { Loading } from './loading.ts';
import { check, route } from './routing.ts';
import { Saving } from './saving.ts';

/** Saves of one shard that wait for another. The opener asks for one at a time; so many are a fault of its. */
const SAVES_MAX = 16;

export interface SnapshotsSetup {
  readonly shard: Shard;
  readonly memory: ShardMemory;
  /** The one by which the shard tells the time. */
  readonly clock: FrameClock;
  readonly tell: (reply: SnapshotReply) => void;
  readonly files?: Files;
  /** Runs the next slice of a save, after whatever else waits. */
  readonly later?: (slice: () => void) => void;
}

interface WaitingSave {
  readonly number: number;
  readonly task: SaveTask;
}

export class Snapshots {
  readonly #setup: SnapshotsSetup;
  readonly #files: Files;
  readonly #later: (slice: () => void) => void;
  readonly #loading: Loading;
  /** The first one is being saved. */
  readonly #saves: WaitingSave[] = [];

  constructor(setup: SnapshotsSetup) {
    this.#setup = setup;
    this.#files = setup.files ?? diskFiles;
    this.#later = setup.later ?? setImmediate;
    this.#loading = new Loading(setup.shard, setup.memory, setup.clock);
  }

  take({ task: number, snapshot }: SnapshotRequest): void {
    if (snapshot.do === 'save') {
      this.#enqueue({ number, task: snapshot });
    } else {
      this.#answer(number, () => this.#done(snapshot));
    }
  }

  #done(task: Exclude<SnapshotTask, SaveTask>): SnapshotAnswer {
    this.#setup.memory.beat();
    switch (task.do) {
      case 'check':
        return check(this.#files, task);
      case 'route':
        return route(this.#files, task);
      case 'begin':
        return this.#loading.begin(task);
      case 'install':
        return this.#loading.install(task);
      case 'end':
        return this.#loading.end();
    }
  }

  #enqueue(save: WaitingSave): void {
    if (this.#saves.length > SAVES_MAX) {
      const message = `A shard has ${SAVES_MAX} saves that wait for another. Next: wait for one before the next`;
      return this.#fail(save.number, { code: 'CACHE_SAVE_ERROR', message });
    }
    this.#saves.push(save);
    if (this.#saves.length === 1) {
      this.#beginSave(save);
    }
  }

  #beginSave({ number, task }: WaitingSave): void {
    const { shard, memory, clock } = this.#setup;
    const saving = this.#answered(number, () => {
      return new Saving({ entries: shard.contents, memory, clock, files: this.#files, task });
    });
    if (saving === undefined) {
      this.#nextSave();
    } else {
      this.#slice(number, saving);
    }
  }

  #slice(number: number, saving: Saving): void {
    const goesOn = this.#answered(number, () => saving.step());
    if (goesOn === true) {
      return this.#later(() => this.#slice(number, saving));
    }
    if (goesOn === false) {
      this.#answer(number, () => ({ blocks: saving.blocks }));
    }
    this.#nextSave();
  }

  #nextSave(): void {
    this.#saves.shift();
    const [next] = this.#saves;
    if (next !== undefined) {
      this.#later(() => this.#beginSave(next));
    }
  }

  #answer(number: number, make: () => SnapshotAnswer): void {
    const done = this.#answered(number, make);
    if (done !== undefined) {
      this.#setup.tell({ is: 'task', task: number, done });
    }
  }

  /** What `make` makes; undefined where it fails, and the opener has been told. */
  #answered<T>(number: number, make: () => T): T | undefined {
    try {
      return make();
    } catch (error) {
      if (!(error instanceof CacheError)) throw error;
      const { code, message, cause } = error;
      this.#fail(number, { code, message, cause: thrownText(cause) });
      return undefined;
    }
  }

  #fail(number: number, failed: TaskFailure): void {
    this.#setup.tell({ is: 'task', task: number, failed });
  }
}
