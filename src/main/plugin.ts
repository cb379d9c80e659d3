/** Where a part that the user brings is found: in a module that any thread can load, under the name of an export. */
import { isAbsolute } from 'node:path';
import { pathToFileURL } from 'node:url';
import { misuse } from '../protocol/errors.ts';

/** Names a module, and what of it. */
export interface PluginModule {
  /** A URL like `new URL('./mine.js', import.meta.url)`, or an absolute path. For a package: `import.meta.resolve('it')`. */
  readonly module: URL | string;
  /** The name of the export. Default 'default'. */
  readonly export?: string | undefined;
}

export interface ResolvedModule {
  readonly module: string;
  readonly export: string;
}

/** The same with a URL that means the same in every thread, whatever its working directory. Throws INVALID_CONFIG. */
export function resolveModule(option: string, plugin: { module?: unknown; export?: unknown }): ResolvedModule {
  const { module, export: name = 'default' } = plugin;
  if (typeof name !== 'string' || name === '') {
    throw misuse('INVALID_CONFIG', `\`${option}.export\` to be the name of an export`, name, { option });
  }
  return Object.freeze({ module: hrefOf(option, module), export: name });
}

function hrefOf(option: string, module: unknown): string {
  if (module instanceof URL) {
    return module.href;
  }
  if (typeof module === 'string' && isAbsolute(module)) {
    return pathToFileURL(module).href;
  }
  if (typeof module === 'string' && URL.canParse(module)) {
    return module;
  }
  const expected = `\`${option}.module\` to be a URL or an absolute path, such as \`new URL("./it.js", import.meta.url)\` or \`import.meta.resolve("it")\``;
  throw misuse('INVALID_CONFIG', expected, module, { option });
}
