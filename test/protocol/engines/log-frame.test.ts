import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import { FRAME_HEAD_BYTES, FrameView, SET, sealFrame } from '../../../src/protocol/engines/log/frame.ts';
import { seededRandom } from '../../support/random.ts';

const BODY_CRC_AT = 12;

test('the body of a frame, short or long, has the checksum that zlib gives it', () => {
  const random = seededRandom('frames of a log');
  const frame = new FrameView();
  for (let length = 0; length <= 140; length++) {
    const bytes = Buffer.alloc(FRAME_HEAD_BYTES + length);
    for (let i = FRAME_HEAD_BYTES; i < bytes.length; i++) bytes[i] = random.word();
    sealFrame(bytes, 0, SET, Math.min(length, 5), Math.max(0, length - 5), 1, 32);
    expect(bytes.readUInt32LE(BODY_CRC_AT)).toBe(crc32(bytes.subarray(FRAME_HEAD_BYTES)));
    expect(frame.readHead(bytes, 0, 1, 32) && frame.bodyChecks(bytes, 0)).toBe(true);
  }
});
