/** Stand-in until the codecs are merged. */
import { openRecord, sealRecord } from '../../protocol/record.ts';
import type { ValueCodec } from '../serializers/codec.ts';
import { createCodec, loadSerializer, resolveSerializer } from '../serializers/index.ts';

export class RecordCodec {
  readonly serializerName: string;
  readonly compressionName: string | false = false;
  readonly base64: boolean = false;
  readonly #values: ValueCodec;
  constructor(values: ValueCodec) {
    this.#values = values;
    this.serializerName = values.name;
  }
  encode(value: unknown, expiresAtMs: number): Buffer | Promise<Buffer> {
    this.#values.encode(value);
    const { tag, bytes, byteLength } = this.#values;
    return sealRecord({ tag, compression: 0, base64: false, expiresAtMs }, bytes, byteLength);
  }
  decode(record: Uint8Array): unknown | Promise<unknown> {
    const { tag, payload } = openRecord(record);
    return this.#values.decode(tag, payload, payload.length);
  }
}

export async function openRecordCodec(options: {
  serializer?: unknown;
  compression?: unknown;
  base64?: unknown;
  strict?: unknown;
}): Promise<RecordCodec> {
  return new RecordCodec(createCodec(await loadSerializer(resolveSerializer(options.serializer))));
}
