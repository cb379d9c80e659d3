/**
 * Bugs to plant in one client's cache, by name: each wraps the real one. A checker that does not find them would find
 * nothing.
 */

/** One get in so many is answered with what an earlier one saw. */
const STALE_ONE_IN = 20;

export const bugs = {
  /** A set resolves when it has been sent, before anybody else can read it. */
  'acknowledge-before-publish': (cache) =>
    faulty(cache, {
      async set(key, value) {
        cache.set(key, value).catch(() => {});
      },
    }),

  'stale-read': (cache) => {
    const seen = new Map();
    let gets = 0;
    return faulty(cache, {
      async get(key, options) {
        if (++gets % STALE_ONE_IN === 0 && seen.has(key)) {
          return seen.get(key);
        }
        const value = await cache.get(key, options);
        seen.set(key, value);
        return value;
      },
    });
  },

  /** What was computed is stored, whoever wrote to the key meanwhile: a deleted key comes back. */
  revive: (cache) =>
    faulty(cache, {
      async getOrSet(key, factory, options) {
        const seen = await cache.get(key, options);
        if (seen !== undefined) {
          return seen;
        }
        const value = await factory(key);
        await cache.set(key, value, options);
        return value;
      },
    }),
};

function faulty(cache, methods) {
  const rest = ['get', 'getSync', 'set', 'delete', 'add', 'increment', 'getOrSet'];
  const honest = Object.fromEntries(rest.map((name) => [name, (...args) => cache[name](...args)]));
  return { ...honest, ...methods };
}
