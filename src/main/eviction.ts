/**
 * Which eviction policy a user may ask for: a built-in one by its name, with its settings, or one of the user's own, by
 * its module or by the name that was registered for that. The policies run in the shards' threads; here they are names
 * and places, so that whatever can be told wrong without a thread is told before any starts.
 */
import { isDeepStrictEqual } from 'node:util';
import { describeThrown, type ThrownText } from '../protocol/describe.ts';
import { CacheError, misuse } from '../protocol/errors.ts';
import type { PolicyOptions } from '../protocol/policy.ts';
import type { EvictionSpec, PolicyName, ShardRefusal } from '../protocol/spec.ts';
import { type PluginModule, type ResolvedModule, resolveModule } from './plugin.ts';

/** What the option `eviction` takes. */
export type EvictionOption = EvictionName | NamedEviction | EvictionModule;

/** A built-in policy, or one that `registerEvictionPolicy` was told of. */
export type EvictionName = PolicyName | (string & {});

/** A policy by its name, with settings: those that a built-in one knows, any plain data for one of your own. */
export interface NamedEviction {
  readonly name: EvictionName;
  readonly [setting: string]: unknown;
}

/** A policy of your own, by its module; whatever else is here reaches its factory as `options`. */
export interface EvictionModule extends PluginModule {
  readonly [option: string]: unknown;
}

/** The policy in force: its name, or an object where it has settings or is a module, with the module's URL. */
export type EvictionConfig = string | Readonly<NamedEviction> | Readonly<ResolvedModule & PolicyOptions>;

/** A setting of a built-in policy. */
interface Setting {
  readonly expected: string;
  accepts(value: unknown): boolean;
}

const SHARE: Setting = {
  expected: 'a number between 0 and 1',
  accepts: (value) => typeof value === 'number' && value > 0 && value < 1,
};
const USES: Setting = {
  expected: 'an integer of at least 1',
  accepts: (value) => Number.isSafeInteger(value) && (value as number) >= 1,
};

/** The built-in policies and the settings that each knows. */
const POLICIES = {
  'as3-fifo': {},
  's3-fifo': { smallShare: SHARE },
  'w-tinylfu': {},
  arc: {},
  sieve: {},
  clock: {},
  lru: {},
  lfu: { halfLife: USES },
  mfu: {},
  fifo: {},
  random: {},
  none: {},
} as const satisfies Record<PolicyName, Readonly<Record<string, Setting>>>;

/** The names of the built-in policies. */
export const BUILT_IN = Object.keys(POLICIES) as PolicyName[];
const NAME = /^[a-z][\w.-]*$/;
/** Of this thread: the shards are told of the modules, not of their names. */
const registered = new Map<string, ResolvedModule>();

/**
 * Names an eviction policy of your own, once, for every `openCache({ eviction: name })` of this thread after it. Names
 * have no case. The module is loaded when a cache opens, by each of its shards.
 *
 * Throws INVALID_CONFIG for what is no name or no module, and DUPLICATE_PLUGIN for a name that is taken.
 *
 * @example
 * registerEvictionPolicy('mine', { module: new URL('./mine.mjs', import.meta.url), export: 'createMine' });
 * const cache = await openCache({ eviction: 'mine' });
 */
export function registerEvictionPolicy(name: string, where: PluginModule): void {
  const id = typeof name === 'string' ? name.toLowerCase() : '';
  if (!NAME.test(id)) {
    throw misuse('INVALID_CONFIG', '`name` to be a word: a letter, then letters, digits, dots or dashes', name, {
      option: 'name',
    });
  }
  if (typeof where !== 'object' || where === null || !('module' in where)) {
    throw invalid('to be registered as an object with `module`, and perhaps `export`', where);
  }
  const stranger = Object.keys(where).find((key) => key !== 'module' && key !== 'export');
  if (stranger !== undefined) {
    throw invalid('to be registered with `module` and `export` alone; options are given to `openCache`', stranger);
  }
  if (available().includes(id)) {
    throw misuse(
      'DUPLICATE_PLUGIN',
      `the \`name\` of an eviction policy to be none of ${available().join(', ')}`,
      name,
      {
        option: 'eviction',
      },
    );
  }
  registered.set(id, resolveModule('eviction', where));
}

/** Throws INVALID_CONFIG, or UNKNOWN_PLUGIN with the names there are. */
export function resolveEviction(option: unknown): EvictionConfig {
  if (typeof option === 'string') {
    return known(option);
  }
  if (typeof option !== 'object' || option === null || 'name' in option === 'module' in option) {
    throw invalid('to be the name of a policy, an object with `name`, or one with `module`', option);
  }
  if ('module' in option) {
    const { module, export: name, ...options } = option as Record<string, unknown>;
    return Object.freeze({ ...resolveModule('eviction', { module, export: name }), ...plain(options) });
  }
  const { name: given, ...options } = option as { name: unknown; [setting: string]: unknown };
  if (typeof given !== 'string') {
    throw invalid('to be the name of a policy, an object with `name`, or one with `module`', option);
  }
  const name = known(given);
  const settings = plain(options);
  if (!registered.has(name)) {
    checkSettings(name as PolicyName, settings);
  }
  return Object.keys(settings).length === 0 ? name : Object.freeze({ name, ...settings });
}

/** What each shard is told. */
export function evictionSpecOf(config: EvictionConfig): EvictionSpec {
  if (typeof config === 'object' && 'module' in config) {
    const { module, export: name, ...options } = config as ResolvedModule & PolicyOptions;
    return { module, export: name, options };
  }
  const { name, ...options } = typeof config === 'string' ? { name: config } : (config as NamedEviction);
  const custom = registered.get(name);
  return custom === undefined ? { name: name as PolicyName, options } : { ...custom, options };
}

/** The policy in a word: its name, or the URL of its module. */
export function evictionName(config: EvictionConfig): string {
  if (typeof config === 'string') {
    return config;
  }
  return 'module' in config ? (config as ResolvedModule).module : (config as NamedEviction).name;
}

/** The error for a policy that a thread would not have; `shard` where it was a shard's. */
export function policyRefusal({ code, message, cause }: ShardRefusal, shard?: number): Error {
  if (code === 'POLICY_ERROR') {
    return new CacheError(code, message, { ...(shard === undefined ? {} : { shard }), cause: errorOf(cause) });
  }
  const error = new TypeError(message, cause === undefined ? undefined : { cause: errorOf(cause) });
  return Object.assign(error, { code, option: 'eviction' });
}

/** What another thread threw, as it can be told here. */
export function errorOf(thrown: ThrownText | undefined): Error | undefined {
  if (thrown === undefined) {
    return undefined;
  }
  const { message, stack, code } = thrown;
  return Object.assign(new Error(message), stack !== undefined && { stack }, code !== undefined && { code });
}

function available(): string[] {
  return [...BUILT_IN, ...registered.keys()];
}

function known(given: string): string {
  const name = available().find((candidate) => candidate === given.toLowerCase());
  if (name === undefined) {
    throw misuse('UNKNOWN_PLUGIN', `\`eviction\` to be one of ${available().join(', ')}`, given, {
      option: 'eviction',
      available: available(),
    });
  }
  return name;
}

function checkSettings(name: PolicyName, settings: PolicyOptions): void {
  const knownSettings: Readonly<Record<string, Setting>> = POLICIES[name];
  for (const [setting, value] of Object.entries(settings)) {
    if (!Object.hasOwn(knownSettings, setting)) {
      const names = Object.keys(knownSettings).map((each) => `\`${each}\``);
      const has = names.length === 0 ? 'no settings, as it has none' : `no settings but ${names.join(', ')}`;
      throw invalid(`'${name}' to have ${has}`, setting);
    }
    const { expected, accepts } = knownSettings[setting] as Setting;
    if (!accepts(value)) {
      throw invalid(`'${name}' to have as \`${setting}\` ${expected}`, value);
    }
  }
}

/** A copy of settings, as another thread will see them. What would look different there, or not arrive, is refused. */
function plain(options: Record<string, unknown>): PolicyOptions {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  let copy: PolicyOptions;
  try {
    copy = structuredClone(given);
  } catch (cause) {
    const error = invalid(`to have settings that can be sent to another thread: ${describeThrown(cause)}`, given);
    throw Object.assign(error, { cause });
  }
  const changed = Object.keys(given).find((name) => !isDeepStrictEqual(given[name], copy[name]));
  if (changed !== undefined) {
    throw invalid(`to have as \`${changed}\` plain data, which is the same in another thread`, given[changed]);
  }
  return copy;
}

function invalid(expected: string, got: unknown): TypeError {
  return misuse('INVALID_CONFIG', `\`eviction\` ${expected}`, got, { option: 'eviction' });
}
