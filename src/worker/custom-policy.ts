/**
 * A user's policy on its way into a shard's thread: its module is imported, its factory called, and what that returns is
 * looked over. Whatever is wrong is told before the cache opens, as a refusal with the place and what was expected there.
 */
import { types } from 'node:util';
import { describe, describeThrown } from '../protocol/describe.ts';
import { type EvictionPolicy, HIT_MODES, type PolicyContext, type PolicyFactory } from '../protocol/policy.ts';
import type { CustomEviction, ShardRefusal } from '../protocol/spec.ts';
import { HOOKS, OPTIONAL_HOOKS } from './guarded-policy.ts';

/** The cache cannot open with this policy. */
export class PolicyRefusal extends Error {
  readonly code: ShardRefusal['code'];

  constructor(code: ShardRefusal['code'], message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

/** Imports a factory, and makes it one that checks what it returns. Rejects with PolicyRefusal; so does what it makes. */
export async function loadPolicy({ module, export: name, options }: CustomEviction): Promise<PolicyFactory> {
  let exports: Record<string, unknown>;
  try {
    exports = (await import(module)) as Record<string, unknown>;
  } catch (cause) {
    const expected = 'a module that a worker thread can import, without loaders';
    throw invalid(`Expected \`eviction.module\` to be ${expected}: ${module}: ${describeThrown(cause)}`, cause);
  }
  if (!Object.hasOwn(exports, name)) {
    const names = Object.keys(exports).sort();
    const there = names.length === 0 ? 'It exports nothing' : `Its exports: ${names.join(', ')}`;
    throw invalid(`Expected \`eviction.export\` to be an export of ${module}, got '${name}'. ${there}`);
  }
  const factory = exports[name];
  const place = `the export \`${name}\` of ${module}`;
  if (typeof factory !== 'function') {
    throw invalid(`Expected ${place} to be a function that makes a policy, got ${describe(factory)}`);
  }
  return (context) => make(factory as PolicyFactory, context, options, place);
}

function make(
  factory: PolicyFactory,
  context: PolicyContext,
  options: CustomEviction['options'],
  place: string,
): EvictionPolicy {
  let policy: unknown;
  let wrong: string | undefined;
  try {
    // A copy, so that nobody changes the shard's own; with its accessors, which tell how things stand.
    const copy = Object.defineProperties({}, Object.getOwnPropertyDescriptors(context)) as PolicyContext;
    policy = factory(Object.freeze(copy), options);
    wrong = wrongOf(policy);
    if (wrong === undefined) {
      return withHooksOf(policy as EvictionPolicy);
    }
  } catch (cause) {
    const next = 'See the cause, or try the factory with `checkPolicy` of shardstash/testing';
    throw new PolicyRefusal(
      'POLICY_ERROR',
      `The factory of the policy, ${place}, threw ${describeThrown(cause)}. ${next}`,
      cause,
    );
  }
  throw invalid(`Expected ${place} to return a policy with ${wrong}`);
}

type ForeignHook = (first: unknown, second: unknown, third: unknown) => unknown;

/** The policy, each hook asked for where a throw is caught: a property that it defines with code may throw the next time. */
function withHooksOf(policy: EvictionPolicy): EvictionPolicy {
  const foreign = policy as unknown as Record<string, ForeignHook>;
  const hooks: Record<string, unknown> = { hits: policy.hits };
  for (const hook of [...HOOKS, ...OPTIONAL_HOOKS]) {
    if (typeof foreign[hook] === 'function') {
      hooks[hook] = (first: unknown, second: unknown, third: unknown) => foreign[hook]?.(first, second, third);
    }
  }
  return hooks as unknown as EvictionPolicy;
}

/** What a policy should have and what there is instead; undefined where nothing is wrong. */
function wrongOf(policy: unknown): string | undefined {
  if (types.isPromise(policy)) {
    // Nobody awaits it: if it rejects, that must not end the thread before the cause has been told.
    policy.catch(() => {});
    return 'its methods, got a Promise. Await what it needs at the top of its module';
  }
  if (typeof policy !== 'object' || policy === null) {
    return `\`hits\` and the methods ${HOOKS.join(', ')}, got ${describe(policy)}`;
  }
  const parts = policy as Partial<Record<string, unknown>>;
  if (!HIT_MODES.some((mode) => mode === parts['hits'])) {
    return `\`hits\` ${HIT_MODES.map((mode) => `'${mode}'`).join(' or ')}, got ${describe(parts['hits'])}`;
  }
  for (const hook of [...HOOKS, ...OPTIONAL_HOOKS]) {
    const method = parts[hook];
    const isMissing = method === undefined && OPTIONAL_HOOKS.some((optional) => optional === hook);
    if (!isMissing && typeof method !== 'function') {
      return `a method \`${hook}\`, got ${describe(method)}`;
    }
    if (types.isAsyncFunction(method)) {
      return `a method \`${hook}\` that answers at once, got an async one`;
    }
  }
  return undefined;
}

function invalid(message: string, cause?: unknown): PolicyRefusal {
  return new PolicyRefusal('INVALID_CONFIG', message, cause);
}
