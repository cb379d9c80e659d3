/** Eviction policies as users might write them, sound and not. Shards load them by URL, so this is no TypeScript. */

/** Plain LRU, slow and sure. */
export function lru() {
  const order = new Set();
  const renew = (slot) => {
    order.delete(slot);
    order.add(slot);
  };
  return {
    hits: 'ring',
    add: (slot) => order.add(slot).has(slot),
    hit: renew,
    update(slot, previous) {
      order.delete(previous);
      order.add(slot);
    },
    remove: (slot) => order.delete(slot),
    clear: () => order.clear(),
    victim: () => order.values().next().value ?? -1,
  };
}

/** LRU that tells its order, and says of each entry what it was told when it was restored. */
export function orderly() {
  const policy = lru();
  const told = new Map();
  return {
    ...policy,
    restore: (slot, hash, standing) => told.set(slot, hash + standing) && policy.add(slot),
    order(used) {
      const order = { left: [...told.keys()].filter((slot) => slot < used), standing: 0 };
      order.next = () => {
        const slot = order.left.shift() ?? -1;
        order.standing = told.get(slot) ?? 0;
        return slot;
      };
      return order;
    },
  };
}

/** What a switch in shared memory can make a policy do, by its number. */
const DEEDS = [
  () => {},
  () => {
    throw new RangeError('boom');
  },
  () => {
    for (;;);
  },
];

/** LRU whose hook `breaks` does what the switch says, before its work. With deed 3 it answers `answer`. */
export function switched(context, { breaks, answer, deed }) {
  const switches = new Int32Array(deed);
  const policy = { arrive() {}, ahead: () => 0, ...lru(context) };
  const sound = policy[breaks];
  policy[breaks] = (...args) => {
    const number = Atomics.load(switches, 0);
    if (number === 3) {
      return answer;
    }
    DEEDS[number]();
    return sound(...args);
  };
  return policy;
}

/** Keeps who was touched: the first that was not goes. */
export function secondChance({ touched }) {
  const order = new Set();
  return {
    ...lru(),
    hits: 'byte',
    hit() {
      throw new Error('hits come by the byte');
    },
    add: (slot) => order.add(slot).has(slot),
    update(slot, previous) {
      order.delete(previous);
      order.add(slot);
    },
    remove: (slot) => order.delete(slot),
    clear: () => order.clear(),
    victim: () => [...order].find((slot) => touched[slot] === 0) ?? order.values().next().value ?? -1,
  };
}

/** Says in the keys it refuses what it was told at birth. */
export function told(context, options) {
  const about = { ...context, touched: context.touched.length, options };
  const names = Object.entries(about).map(
    ([name, value]) => `${name}=${typeof value === 'function' ? 'f' : JSON.stringify(value)}`,
  );
  return {
    ...lru(),
    add: () => {
      throw new Error(names.sort().join(' '));
    },
  };
}

/** A policy that is a class with private state, as an export that makes it. */
class Stack {
  hits = 'none';
  #slots = [];
  add(slot) {
    this.#slots.push(slot);
    return true;
  }
  hit() {}
  update(slot, previous) {
    this.#slots[this.#slots.indexOf(previous)] = slot;
  }
  remove(slot) {
    this.#slots.splice(this.#slots.indexOf(slot), 1);
  }
  clear() {
    this.#slots = [];
  }
  victim() {
    return this.#slots.at(-1) ?? -1;
  }
}
export default () => new Stack();

export const notAFunction = { hits: 'none' };
export const asClass = Stack;
export const nothing = () => undefined;
export const incomplete = () => ({ ...lru(), victim: undefined });
export const wrongHits = () => ({ ...lru(), hits: 'rings' });
export const noHits = () => ({ ...lru(), hits: undefined });
export const wrongOptional = () => ({ ...lru(), ahead: 5 });
export const asyncFactory = async () => lru();
export const rejectingFactory = async () => {
  throw new Error('too late');
};
export const asyncHook = () => ({ ...lru(), async add() {} });
export const throwing = () => {
  throw new RangeError('no such table');
};
export const throwingWhenRead = () => ({
  get hits() {
    throw new Error('read me not');
  },
});
export const looping = () => {
  for (;;);
};

/** Answers that run code of their own when they are looked at. */
const TRAPS = {
  'a function whose name throws': () =>
    Object.defineProperty(() => 1, 'name', {
      get() {
        throw new Error('name');
      },
    }),
  'a class whose name is a symbol': () => Object.defineProperty(class {}, 'name', { value: Symbol('n') }),
  'an object whose constructor throws': () =>
    Object.create({
      get constructor() {
        throw new Error('constructor');
      },
    }),
  'an object over a Proxy': () =>
    Object.create(
      new Proxy(
        {},
        {
          get() {
            throw new Error('get');
          },
          getOwnPropertyDescriptor() {
            throw new Error('descriptor');
          },
        },
      ),
    ),
  'a revoked Proxy': () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  },
  'a Promise without catch': () => Object.assign(Promise.resolve(true), { catch: undefined }),
  'a Promise whose constructor throws': () =>
    Object.defineProperty(Promise.resolve(true), 'constructor', {
      get() {
        throw new Error('constructor');
      },
    }),
};

/** LRU whose hook `breaks` answers with a trap, from the second entry on. */
export function trapping(context, { breaks, trap }) {
  const policy = lru(context);
  const sound = policy[breaks];
  let calls = 0;
  policy[breaks] = (...args) => {
    const answer = sound(...args);
    return ++calls > 1 ? TRAPS[trap]() : answer;
  };
  return policy;
}

/** A policy that can be looked at once. */
export function once(context) {
  const { add, ...policy } = lru(context);
  let looks = 0;
  return Object.defineProperty(policy, 'add', {
    get() {
      if (++looks > 2) throw new Error('looked at again');
      return add;
    },
  });
}
