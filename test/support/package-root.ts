/** Where the package lies: tests are run from their source, long scripts from where they were compiled to. */
import { existsSync } from 'node:fs';

/** Found upwards, since this file runs both from its source and compiled. */
export function packageRoot(): URL {
  let folder = new URL('./', import.meta.url);
  while (!existsSync(new URL('package.json', folder))) {
    folder = new URL('../', folder);
  }
  return folder;
}
