/**
 * Packages that are there only for those who want them: optional peers, imported when something that needs one is opened. One that
 * is not installed is told from one that is there and does not load (a prebuilt binary that is for another machine, say),
 * since what helps is another thing.
 */
import { describeThrown } from '../describe.ts';
import { CacheError } from '../errors.ts';

const NOT_FOUND = ['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'];

/**
 * What `load` imports. `user` is who needs it, as a sentence begins: "The engine `lmdb`". Rejects with MISSING_DEPENDENCY where
 * the package is not installed, and with ENGINE_ERROR where it does not load.
 */
export async function loadPeer<T>(user: string, name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    if (isMissing(name, cause)) {
      throw new CacheError('MISSING_DEPENDENCY', `${user} needs the package \`${name}\`: npm install ${name}`, {
        cause,
      });
    }
    const next = `install it again on this machine, with its optional packages: npm install ${name}`;
    const message = `${user} cannot load the package \`${name}\`: ${describeThrown(cause)}. Next: ${next}`;
    throw new CacheError('ENGINE_ERROR', message, { cause });
  }
}

/** Whether it is the package itself that was not found, and not something that it imports. */
function isMissing(name: string, cause: unknown): boolean {
  const { code, message } = (cause ?? {}) as { code?: unknown; message?: unknown };
  return (
    NOT_FOUND.includes(String(code)) && new RegExp(`^Cannot find (package|module) '${name}'`).test(String(message))
  );
}
