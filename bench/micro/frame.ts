/** A set of 100 bytes is written into a frame, and read out of it again. A frame holds as many sets as a loop makes. */
import { FrameReader, FrameWriter } from '../../src/protocol/frame.ts';
import { KeyEncoder } from '../../src/protocol/key.ts';
import { OP_SET } from '../../src/protocol/operations.ts';
import { keyOf } from '../support/keys.ts';
import { HASH_SEED } from '../support/lone-shard.ts';
import { LOOP_OPERATIONS, type MicroTask } from '../support/micro.ts';
import type { Subject } from './subject.ts';

const VALUE = new Uint8Array(100).fill(7);

export function frame(): Subject {
  const key = new KeyEncoder(HASH_SEED);
  key.encode(keyOf(1_000_000));
  const record = write(new FrameWriter(), key).length / LOOP_OPERATIONS;
  const writing = writingTask('frame: write a set of 100 bytes', key);
  const reading = readingTask('frame: read a set of 100 bytes', key);
  const copying = copyingTask(`floor: set of ${Math.round(record)} bytes, in a frame that is copied once`, record);
  return {
    tasks: [writing, reading, copying],
    floors: { [writing.name]: copying.name, [reading.name]: copying.name },
  };
}

function writingTask(name: string, key: KeyEncoder): MicroTask {
  const writer = new FrameWriter();
  const expected = write(writer, key).length;
  return {
    name,
    loop() {
      if (write(writer, key).length !== expected) {
        throw new Error(`${name}: the frame has another length than before`);
      }
    },
  };
}

function readingTask(name: string, key: KeyEncoder): MicroTask {
  const bytes = write(new FrameWriter(), key);
  return {
    name,
    loop() {
      const reader = new FrameReader(bytes);
      let sum = 0;
      for (let i = 0; i < reader.count; i++) {
        reader.next();
        sum += reader.valueBytes + (reader.words[reader.valueAt] as number);
      }
      if (reader.count !== LOOP_OPERATIONS || sum !== LOOP_OPERATIONS * (VALUE.length + 0x07070707)) {
        throw new Error(`${name}: the frame does not hold what was written`);
      }
    },
  };
}

function copyingTask(name: string, recordBytes: number): MicroTask {
  const record = new Uint8Array(Math.round(recordBytes));
  const buffer = new Uint8Array(record.length * LOOP_OPERATIONS);
  let sum = 0;
  return {
    name,
    loop() {
      for (let i = 0; i < LOOP_OPERATIONS; i++) {
        buffer.set(record, i * record.length);
      }
      sum = (sum + (buffer.slice()[0] as number)) | 0;
    },
  };
}

function write(writer: FrameWriter, key: KeyEncoder): Uint8Array {
  for (let i = 0; i < LOOP_OPERATIONS; i++) {
    writer.add(OP_SET, key, 0, 0, VALUE, VALUE.length);
  }
  return writer.seal();
}
