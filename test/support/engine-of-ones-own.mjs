/** An engine as a user writes one, in the shortest way there is: a JSON file for each store, written at every change. */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

class OwnEngine {
  #path;

  constructor(directory) {
    this.#path = join(directory, 'own.json');
  }

  /** Read each time: whoever else has it open may have written. */
  get #entries() {
    return new Map(existsSync(this.#path) ? JSON.parse(readFileSync(this.#path, 'utf8')) : []);
  }

  get(key) {
    const text = this.#entries.get(key);
    return text === undefined ? undefined : Buffer.from(text, 'base64');
  }

  set(key, record) {
    this.setMany([[key, record]]);
  }

  delete(key) {
    const entries = this.#entries;
    const was = entries.delete(key);
    this.#save(entries);
    return was;
  }

  update(key, change) {
    const before = this.get(key);
    const after = change(before);
    if (after === undefined) this.delete(key);
    else if (after !== before) this.set(key, after);
  }

  getMany(keys) {
    return keys.map((key) => this.get(key));
  }

  setMany(entries) {
    const all = this.#entries;
    for (const [key, record] of entries) all.set(key, Buffer.from(record).toString('base64'));
    this.#save(all);
  }

  clear() {
    const count = this.#entries.size;
    this.#save(new Map());
    return count;
  }

  size() {
    return this.#entries.size;
  }

  async *keys() {
    const all = [...this.#entries.keys()];
    for (let at = 0; at < all.length; at += 1_024) yield all.slice(at, at + 1_024);
  }

  flush() {}

  close() {}

  facts() {
    return { bytes: JSON.stringify([...this.#entries]).length };
  }

  #save(entries) {
    writeFileSync(`${this.#path}.new`, JSON.stringify([...entries]));
    renameSync(`${this.#path}.new`, this.#path);
  }
}

export default {
  keeps: 'directory',
  access: 'shared',
  options: ['colour'],
  async open({ directory }) {
    return new OwnEngine(directory);
  },
};

export const none = { keeps: 'nothing' };
