/** What the bytes of a value are: a small number that is stored beside them, in shards, stores and files alike. */

/** From 0 to 127: which encoding the bytes are. It is stored beside them. */
export type Tag = number;

/**
 * The tags of all serializers in one list, so that none means two things. 1 to 10 are those of bare-values.ts, which the
 * serializers share; 6 is the one in which a shard counts.
 */
export const TAG_MSGPACK = 0;
export const TAG_ASCII = 1;
export const TAG_UTF8 = 2;
export const TAG_UTF16 = 3;
export const TAG_BUFFER = 4;
export const TAG_UINT8_ARRAY = 5;
/** The one tag that owners look into: a float64, little-endian. Every serializer stores counters under it. */
export const TAG_NUMBER = 6;
export const TAG_UNDEFINED = 7;
export const TAG_NULL = 8;
export const TAG_FALSE = 9;
export const TAG_TRUE = 10;
export const TAG_STRUCTURED = 11;
export const TAG_STRUCTURED_WITH_ERRORS = 12;
export const TAG_JSON = 13;
export const TAG_TAGGED_JSON = 14;
export const TAG_CUSTOM = 15;
/** The versions of a value, in a store in append mode. */
export const TAG_VERSIONS = 16;
