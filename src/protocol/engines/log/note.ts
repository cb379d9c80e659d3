/**
 * How a log was left by whoever closed it: without this, a log that was cut off between two frames after it was closed would
 * look like one whose process had ended there.
 *
 *     closed      byte  0       4              8              16        24      28
 *                       "ShCl"  id (uint32)    bytes          entries   0       CRC of 0-27
 *                               of the last segment (float64) (float64)
 *
 * It is written when the log is closed, after all segments were made to survive the machine's end, and removed before the
 * first write of whoever opens it next. So where it is, the log is at least as long as it says.
 */
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { type Files, readWhole, replaceFile } from '../../files.ts';
import { attempt, storeError } from '../faults.ts';

export const NOTE_NAME = 'closed';
const NOTE_BYTES = 32;
const MAGIC = Buffer.from('ShCl', 'latin1');
const ID_AT = 4;
const BYTES_AT = 8;
const ENTRIES_AT = 16;
const CRC_AT = 28;

export interface ClosingNote {
  readonly id: number;
  readonly bytes: number;
  readonly entries: number;
}

export function writeNote(files: Files, directory: string, { id, bytes, entries }: ClosingNote): void {
  const note = Buffer.alloc(NOTE_BYTES);
  MAGIC.copy(note);
  note.writeUInt32LE(id, ID_AT);
  note.writeDoubleLE(bytes, BYTES_AT);
  note.writeDoubleLE(entries, ENTRIES_AT);
  note.writeUInt32LE(crc32(note.subarray(0, CRC_AT)), CRC_AT);
  const path = join(directory, NOTE_NAME);
  // Synced, or the machine's end may leave its name without its bytes, which is damage.
  attempt('write the closing note', path, () => replaceFile(files, path, note, { sync: true }));
}

/** Undefined where the log was not closed. Throws STORE_CORRUPT. */
export function readNote(files: Files, directory: string): ClosingNote | undefined {
  const path = join(directory, NOTE_NAME);
  const note = attempt('read the closing note', path, () => readWhole(files, path));
  if (note === undefined) {
    return undefined;
  }
  const isWhole =
    note.length === NOTE_BYTES &&
    note.subarray(0, MAGIC.length).equals(MAGIC) &&
    note.readUInt32LE(CRC_AT) === crc32(note.subarray(0, CRC_AT));
  if (!isWhole) {
    throw storeError(
      'STORE_CORRUPT',
      path,
      `The log is damaged: ${path} at byte 0: the note of how it was closed does not match its checksum. ` +
        `Next: \`shardstash verify ${directory}\` lists all damage; openStore({ repair: true }) opens the store without the note`,
    );
  }
  return { id: note.readUInt32LE(ID_AT), bytes: note.readDoubleLE(BYTES_AT), entries: note.readDoubleLE(ENTRIES_AT) };
}
