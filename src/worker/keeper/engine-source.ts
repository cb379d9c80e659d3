/** The engine of a tier, in the thread that uses it: one of protocol/engines by name, or what a user's module exports. */
import type { EngineKind } from '../../protocol/engines/engine.ts';
import { type EngineName, engines } from '../../protocol/engines/index.ts';
import { misuse } from '../../protocol/errors.ts';
import type { EngineSource } from '../../protocol/tier.ts';

/** Rejects with INVALID_CONFIG for a module without one. The opener has looked already: it loads the module, too. */
export async function loadEngine(source: EngineSource): Promise<EngineKind> {
  const { name } = source;
  if (!('module' in source)) {
    const kind = Object.hasOwn(engines, name) ? engines[name as EngineName] : undefined;
    if (kind === undefined) {
      throw misuse('UNKNOWN_PLUGIN', `\`engine\` to be one of ${Object.keys(engines).join(', ')}`, name, {
        option: 'engine',
      });
    }
    return kind;
  }
  let exports: Readonly<Record<string, unknown>>;
  try {
    exports = (await import(source.module)) as Readonly<Record<string, unknown>>;
  } catch (cause) {
    const error = new TypeError(
      `Expected \`engine.module\` to be a module that can be imported, got '${source.module}': ${String(cause)}`,
      { cause },
    );
    throw Object.assign(error, { code: 'INVALID_CONFIG', option: 'engine' });
  }
  const kind = Object.hasOwn(exports, source.export) ? exports[source.export] : undefined;
  if (typeof (kind as EngineKind | undefined)?.open !== 'function') {
    const expected = `the export \`${source.export}\` of ${source.module} to be an EngineKind`;
    throw misuse('INVALID_CONFIG', expected, kind, { option: 'engine' });
  }
  return kind as EngineKind;
}
