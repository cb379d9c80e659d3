/** Which format of V8 the values of a snapshot are in: an older V8 does not read those of a newer one. */
import { serialize } from 'node:v8';

/** The version of its format that V8 writes, and the latest that it reads. */
export const V8_FORMAT = serialize(null)[1] as number;

/** What the facts of a snapshot say of it, where its values are written here. */
export function v8FormatOf(serializer: string): { readonly v8?: string } {
  return serializer === 'v8' ? { v8: String(V8_FORMAT) } : {};
}
