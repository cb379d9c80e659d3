/** Tasks as users might write them, sound and not. The pool's threads load them by URL, so this is no TypeScript. */
import { setTimeout as pause } from 'node:timers/promises';
import { threadId } from 'node:worker_threads';

export default (...args) => ({ args });

export const notAFunction = 1;

export const where = () => threadId;

/** Holds its core for so long. */
export function burn(ms, value = 'burnt') {
  for (const endMs = performance.now() + ms; performance.now() < endMs; );
  return value;
}

export async function later(ms, value) {
  await pause(ms);
  return value;
}

/** Says when it has begun, and goes on until another tells it to end. */
export async function held(gate) {
  const words = new Int32Array(gate);
  Atomics.store(words, 0, 1);
  Atomics.notify(words, 0);
  await Atomics.waitAsync(words, 1, 0).value;
  return 'let go';
}

export function forEver() {
  for (;;);
}

export const exit = (code) => process.exit(code);

export const unstorable = () => () => {};

export function leaveBomb() {
  setTimeout(() => {
    throw new Error('left behind');
  }, 20);
  return 'done';
}

export class Refusal extends RangeError {
  name = 'Refusal';
  code = 'NO_STOCK';
  details = { left: 0 };
  callback = () => {};
}

export function fail() {
  throw new Refusal('none left', { cause: new TypeError('deep', { cause: { why: 'deeper' } }) });
}

export function failAll() {
  throw new AggregateError([new Error('one'), Object.assign(new Error('two'), { code: 'TWO' })], 'both');
}

export function failWithFunctions() {
  throw Object.assign(new Error('whole'), { cause: () => {} });
}

export function failWith(thrown) {
  throw thrown;
}

export function failWithSymbol() {
  throw Symbol('no');
}

export function failInCircle() {
  const error = new Error('round');
  error.cause = error;
  throw error;
}

/** What the code of this thread may see of the computation that it is part of, now and after an await. */
export async function chainSeenBy(href) {
  const { computing } = await import(href);
  const atOnce = computing.chain();
  await pause(1);
  return [atOnce, computing.chain()];
}
