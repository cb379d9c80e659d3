/** The memo file of a function, opened as its memo asks for it: with its serializer, and a look at whose it is. */
import { misuse } from '../../protocol/errors.ts';
import { openRecordCodec, recordCodecOf, resolveEncoding } from '../codec/encoding.ts';
import type { RecordCodec } from '../codec/record-codec.ts';
import { type MemoFile, openMemoFile } from './file/memo-file.ts';
import type { FileOptions } from './memo-options.ts';

export interface FileTierOptions extends FileOptions {
  /** Of the function. */
  readonly name: string;
  /** Told of a file that is damaged, or another function's. */
  warn(message: string): void;
}

/** Rejects with INVALID_CONFIG, UNKNOWN_PLUGIN, MISSING_DEPENDENCY, ENGINE_ERROR or STORE_FOREIGN. */
export async function openFileTier(path: string, options: FileTierOptions): Promise<MemoFile> {
  return open(path, options, await openRecordCodec(encodingOf(options)));
}

/** What of a memo's options says how results become bytes. */
export function encodingOf({ serializer, compression }: FileOptions): Pick<FileOptions, 'serializer' | 'compression'> {
  return { serializer, compression };
}

/** The same at once: throws INVALID_CONFIG for a serializer that would have to be loaded. */
export function openFileTierSync(path: string, options: FileTierOptions): MemoFile {
  const encoding = resolveEncoding(encodingOf(options));
  if (typeof encoding.serializer === 'object' && 'module' in encoding.serializer) {
    const expected = '`serializer` to be a name, or an object, which is there at once';
    throw misuse('INVALID_CONFIG', expected, options.serializer, { option: 'serializer' });
  }
  return open(path, options, recordCodecOf(encoding, encoding.serializer));
}

function open(path: string, { name, sync, warn }: FileTierOptions, codec: RecordCodec): MemoFile {
  const file = openMemoFile({ path, name, codec, sync, onDamage: warn });
  const found = file.facts();
  if (found.serializer !== codec.serializerName) {
    file.close();
    const expected = `\`serializer\` to be '${found.serializer}', with which the memo file ${path} was made`;
    throw misuse('INVALID_CONFIG', expected, codec.serializerName, { option: 'serializer' });
  }
  if (found.name !== name) {
    warn(
      `The memo file ${path} was made for the function '${found.name}', and is used for '${name}'. Unless they are the same, give each its own`,
    );
  }
  return file;
}
