/**
 * Which engines a store or a tier can be opened with: those of protocol/engines, and those that users register or name by the
 * URL of their module.
 */
import type { EngineKind } from '../../protocol/engines/engine.ts';
import { type EngineName, engines, OLD_NAMES } from '../../protocol/engines/index.ts';
import { misuse } from '../../protocol/errors.ts';
import type { EngineSource } from '../../protocol/tier.ts';
import { type PluginModule, type ResolvedModule, resolveModule } from '../plugin.ts';

export type { EngineName } from '../../protocol/engines/index.ts';

/** A module whose export is an EngineKind. */
export type EngineModule = PluginModule;

/** Where a kind comes from, and the name that a store's manifest has for it. */
export interface FoundEngine {
  readonly name: string;
  readonly kind: EngineKind;
  /** For another thread, which has to load it anew. */
  readonly source: EngineSource;
}

const NAME = /^[a-z][a-z0-9-]{0,39}$/;
const registered = new Map<string, ResolvedModule>();

/**
 * Makes an engine of your own known under a name, for `openStore({ engine: name })`, `openCache({ tier: { engine: name } })` and the command line's `--engine`. Its module
 * exports an EngineKind, which keeps the contract of `Engine`. For the whole thread.
 *
 * Throws DUPLICATE_PLUGIN for a name that is taken, INVALID_CONFIG for one that is none or a module that is not named well.
 */
export function registerEngine(name: string, module: EngineModule): void {
  if (typeof name !== 'string' || !NAME.test(name)) {
    throw misuse('INVALID_CONFIG', 'the name of an engine to be lower-case letters, digits and hyphens', name, {
      option: 'engine',
    });
  }
  if (Object.hasOwn(engines, name) || Object.hasOwn(OLD_NAMES, name) || registered.has(name)) {
    throw misuse('DUPLICATE_PLUGIN', `an engine's name to be none of ${names().join(', ')}`, name, {
      option: 'engine',
    });
  }
  registered.set(name, resolveModule('engine', module ?? {}));
}

/** Rejects with UNKNOWN_PLUGIN, or INVALID_CONFIG for a module that exports no engine. */
export async function findEngine(option: unknown): Promise<FoundEngine> {
  if (typeof option === 'object' && option !== null && 'module' in option) {
    const module = resolveModule('engine', option);
    return await foundIn(module, `module:${module.export}`);
  }
  if (typeof option !== 'string') {
    throw misuse('INVALID_CONFIG', '`engine` to be the name of one, or an object with `module`', option, {
      option: 'engine',
    });
  }
  const name = option.toLowerCase();
  if (Object.hasOwn(engines, name)) {
    return { name, kind: engines[name as EngineName], source: { name } };
  }
  const module = registered.get(name);
  if (module !== undefined) {
    return await foundIn(module, name);
  }
  throw unknownEngine(option);
}

async function foundIn(module: ResolvedModule, name: string): Promise<FoundEngine> {
  return { name, kind: await loadKind(module), source: { name, ...module } };
}

function unknownEngine(name: string): TypeError {
  const ours = Object.hasOwn(OLD_NAMES, name.toLowerCase()) ? OLD_NAMES[name.toLowerCase()] : undefined;
  const hint = ours === undefined ? '' : ` (what others call '${name.toLowerCase()}' is '${ours}' here)`;
  return misuse('UNKNOWN_PLUGIN', `\`engine\` to be one of ${names().join(', ')}${hint}`, name, {
    option: 'engine',
    available: names(),
  });
}

function names(): string[] {
  return [...Object.keys(engines), ...registered.keys()];
}

async function loadKind({ module, export: name }: ResolvedModule): Promise<EngineKind> {
  let exports: Readonly<Record<string, unknown>>;
  try {
    exports = (await import(module)) as Readonly<Record<string, unknown>>;
  } catch (cause) {
    const error = new TypeError(`Expected \`engine.module\` to be a module that can be imported, got '${module}'`, {
      cause,
    });
    throw Object.assign(error, { code: 'INVALID_CONFIG', option: 'engine' });
  }
  const kind = Object.hasOwn(exports, name) ? exports[name] : undefined;
  if (!isKind(kind)) {
    throw misuse(
      'INVALID_CONFIG',
      `the export \`${name}\` of ${module} to be an EngineKind: an object with \`keeps\`, \`access\`, \`options\` and \`open\``,
      kind,
      { option: 'engine' },
    );
  }
  return kind;
}

function isKind(kind: unknown): kind is EngineKind {
  if (typeof kind !== 'object' || kind === null) {
    return false;
  }
  const { keeps, access, options, open } = kind as Partial<Record<keyof EngineKind, unknown>>;
  return (
    ['nothing', 'directory', 'server'].includes(keeps as string) &&
    ['shared', 'exclusive'].includes(access as string) &&
    Array.isArray(options) &&
    typeof open === 'function'
  );
}
