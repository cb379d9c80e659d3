/**
 * Calls that never were a string: keys are numbers and values are lengths, put straight into a record and an encoder. A
 * replay of millions of requests spends its time in the shard then, not in encoding them.
 */
import { FrameReader, FrameWriter } from '../../src/protocol/frame.ts';
import { KeyEncoder } from '../../src/protocol/key.ts';
import { OP_SET } from '../../src/protocol/operations.ts';
import { mixed } from '../../src/worker/simulation/mix.ts';

/** Four bytes of Latin-1: the number itself. */
const KEY = '\0\0\0\0';

export class Forged {
  /** As a frame brings it to the owner. */
  readonly record: FrameReader;
  /** As a reader asks for it. */
  readonly key = new KeyEncoder({ low: 1, high: 2 });

  constructor(valueBytesMax: number) {
    this.key.encode(KEY);
    const writer = new FrameWriter();
    writer.add(OP_SET, this.key, 0, 0, new Uint8Array(valueBytesMax).fill(0xab), valueBytesMax);
    this.record = new FrameReader(writer.seal());
    this.record.next();
  }

  /** Makes both about this key, and the record's value that long. */
  about(id: number, valueBytes: number): void {
    const hash = mixed(id);
    this.key.words[0] = id;
    this.key.hashLow = hash;
    this.record.words[this.record.keyAt] = id;
    this.record.hashLow = hash;
    this.record.valueBytes = valueBytes;
  }
}
