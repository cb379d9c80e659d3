/** The owners of the shards, as saving and loading have them: each is asked, and answers what its task is answered with. */
import type {
  BegunLoad,
  CheckedBlock,
  EndedLoad,
  InstalledEntries,
  RoutedBlock,
  SavedShard,
  SnapshotAnswer,
  SnapshotTask,
} from '../../protocol/snapshot/tasks.ts';

/** What each task is answered with. */
interface Answers {
  readonly save: SavedShard;
  readonly check: CheckedBlock;
  readonly route: RoutedBlock;
  readonly begin: BegunLoad;
  readonly install: InstalledEntries;
  readonly end: EndedLoad;
}

export type AnswerTo<T extends SnapshotTask> = Answers[T['do']];

/** One shard's owner, whichever thread that is by then. */
export interface Owner {
  ask(task: SnapshotTask): Promise<SnapshotAnswer>;
  /** Resolves when there is one. Rejects where none comes. */
  present(): Promise<void>;
}

export class Owners {
  readonly #owners: readonly Owner[];
  #asked = 0;
  #wake: (() => void)[] = [];

  constructor(owners: readonly Owner[]) {
    this.#owners = owners;
  }

  get count(): number {
    return this.#owners.length;
  }

  /** Resolves when every shard has an owner. Rejects where one will have none. */
  async present(): Promise<void> {
    await Promise.all(this.#owners.map((owner) => owner.present()));
  }

  /** Resolves when nobody owes an answer: what was given up may still be under way. */
  async idle(): Promise<void> {
    if (this.#asked > 0) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }

  async ask<T extends SnapshotTask>(shard: number, task: T): Promise<AnswerTo<T>> {
    this.#asked++;
    try {
      return (await this.#owners[shard]?.ask(task)) as AnswerTo<T>;
    } finally {
      this.#asked--;
      if (this.#asked === 0) {
        for (const resolve of this.#wake.splice(0)) resolve();
      }
    }
  }
}
