/**
 * What a store or a tier says of itself (protocol/engines/manifest.ts), where there is one already: it is opened as it was
 * made. What is asked for and differs is a mistake; what is not asked for is taken from it.
 */
import { withdrawDirectory } from '../../protocol/engines/directory.ts';
import type { Engine, Place } from '../../protocol/engines/engine.ts';
import { type Manifest, manifestText, readManifest } from '../../protocol/engines/manifest.ts';
import { misuse } from '../../protocol/errors.ts';

/** That of an engine without a directory, which is `wanted` only where there was none. `path` is for messages. */
export async function ownManifest(engine: Engine, wanted: Manifest, path: string): Promise<Manifest> {
  let text = await engine.manifest?.read();
  if (text === undefined) {
    await engine.manifest?.write(manifestText(wanted));
    // Another may have written one first.
    text = (await engine.manifest?.read()) ?? manifestText(wanted);
  }
  return readManifest(text, path);
}

/** Throws INVALID_CONFIG for the first of the options `given` that was not `wanted` so when it was made. */
export function assertAsMade(
  found: Manifest,
  wanted: Manifest,
  given: readonly Exclude<keyof Manifest, 'tier'>[],
  made: string,
): void {
  const option = given.find((each) => found[each] !== wanted[each]);
  if (option !== undefined) {
    const expected = `\`${option}\` to be ${JSON.stringify(found[option])}, as ${made}`;
    throw misuse('INVALID_CONFIG', expected, wanted[option], { option });
  }
}

/**
 * Takes back a new directory whose engine has refused with `error` what it was asked for: that would else stand against what is
 * asked for next.
 */
export function withdrawIfRefused(error: unknown, { files, directory }: Pick<Place, 'files' | 'directory'>): void {
  const { code } = (error ?? {}) as { code?: unknown };
  if (code === 'INVALID_CONFIG' || code === 'MISSING_DEPENDENCY') {
    withdrawDirectory(files, directory);
  }
}
