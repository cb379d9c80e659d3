import { expect, test } from 'vitest';
import { deadlineOf, openRecord, sealRecord } from '../../src/protocol/record.ts';

const EVER = Number.POSITIVE_INFINITY;
const head = { tag: 3, compression: 2, base64: true, expiresAtMs: 1_700_000_000_123.5 };

test('a record gives back what it was sealed with', () => {
  const record = sealRecord(head, Buffer.from('payload and more'), 7);
  expect(openRecord(record)).toEqual({ ...head, payload: Buffer.from('payload') });
  expect(deadlineOf(record)).toBe(head.expiresAtMs);
});

test('what lives for ever has no deadline in its bytes', () => {
  const record = sealRecord({ ...head, expiresAtMs: EVER }, Buffer.from('0123456789'));
  expect(record.length).toBe(8 + 10);
  expect([openRecord(record).expiresAtMs, deadlineOf(record), deadlineOf(Buffer.alloc(3))]).toEqual([EVER, EVER, EVER]);
});

test('a slide stands behind the deadline, and takes no room where there is none', () => {
  for (const expiresAtMs of [EVER, head.expiresAtMs]) {
    const plain = sealRecord({ ...head, expiresAtMs }, Buffer.from('payload'));
    const sliding = sealRecord({ ...head, expiresAtMs, slideMs: 30_000.5 }, Buffer.from('payload'));
    expect(openRecord(sliding)).toEqual({ ...head, expiresAtMs, slideMs: 30_000.5, payload: Buffer.from('payload') });
    expect([deadlineOf(sliding), sliding.length - plain.length]).toEqual([expiresAtMs, 8]);
    expect(sealRecord({ ...head, expiresAtMs, slideMs: 0 }, Buffer.from('payload')).equals(plain)).toBe(true);
  }
  const golden = sealRecord({ ...head, expiresAtMs: 1_700_000_000_000 }, Buffer.from('xyz'));
  expect(golden.toString('hex')).toBe('a10302034b701f5000008056febc784278797a');
});

test('a record is read from any view of memory', () => {
  const record = sealRecord(head, Buffer.from('payload'));
  const memory = new Uint8Array(record.length + 5);
  memory.set(record, 5);
  expect(openRecord(memory.subarray(5)).payload.toString()).toBe('payload');
});

test('every flipped bit and every missing byte of a record is told', () => {
  for (const expiresAtMs of [EVER, 1_700_000_000_000]) {
    const record = sealRecord({ ...head, expiresAtMs }, Buffer.from('a payload of some bytes'));
    for (let bit = 0; bit < record.length * 8; bit++) {
      const damaged = Buffer.from(record);
      damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(() => openRecord(damaged)).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^STORE_(CORRUPT|FOREIGN)$/) }),
      );
    }
    for (let length = 0; length < record.length; length++) {
      expect(() => openRecord(record.subarray(0, length))).toThrow(expect.objectContaining({ code: 'STORE_CORRUPT' }));
    }
  }
});

test('what is larger than any engine takes is refused before memory is taken for it', () => {
  expect(() => sealRecord(head, new Uint8Array(8), 900 * 2 ** 20)).toThrow(
    expect.objectContaining({ code: 'VALUE_TOO_LARGE' }),
  );
});
