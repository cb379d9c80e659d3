/** A record that has left its frame: a frame is good until its shard has seen it, a call to the tier takes longer. */
import { FRAME_HEAD_BYTES, FrameReader } from '../../protocol/frame.ts';

/** One record, as a msgpack length of 32 bits that lies in a little-endian word. */
const ONE = 1 << 24;
const HEAD_WORDS = FRAME_HEAD_BYTES / 4;

/** The current record of a frame, in memory of its own. */
export function detached(record: FrameReader): FrameReader {
  const end = record.valueAt + Math.ceil(record.valueBytes / 4);
  const words = new Int32Array(HEAD_WORDS + end - record.place);
  words[0] = record.words[0] as number;
  words[1] = ONE;
  words.set(record.words.subarray(record.place, end), HEAD_WORDS);
  const own = new FrameReader(new Uint8Array(words.buffer));
  own.next();
  return own;
}
