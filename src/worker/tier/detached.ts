/**
 * Records that have left their frame: a frame is good until its shard has seen it, a call to the tier takes longer. All those of a
 * frame lie in one copy of it: memory for each would be most of what a call costs.
 */
import { exactCopy } from '../../protocol/copies.ts';
import { FrameReader } from '../../protocol/frame.ts';

export class DetachedFrame {
  #copy: Uint8Array | undefined;

  /** Another frame begins. */
  begin(): void {
    this.#copy = undefined;
  }

  /** The current record of the present frame, good for as long as anybody has it. */
  detach(record: FrameReader): FrameReader {
    this.#copy ??= exactCopy(record.bytes, record.bytes.length);
    const own = new FrameReader(this.#copy);
    own.jump(record.place);
    return own;
  }
}
