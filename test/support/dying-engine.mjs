/** An engine that ends its thread when it is asked for a key with 'die' in it, and forgets all: it throws where nobody catches. */
export default {
  keeps: 'directory',
  access: 'exclusive',
  options: ['refuses'],
  async open({ directory, options, warn }) {
    if (options.refuses !== undefined) {
      throw Object.assign(new TypeError('Expected `refuses` to be left out, got it'), {
        code: 'INVALID_CONFIG',
        option: 'refuses',
      });
    }
    warn(`It is opened in ${directory}`);
    const records = new Map();
    const set = (key, record) => void records.set(key, Buffer.from(record));
    return {
      get: (key) => {
        if (key.includes('die')) {
          setImmediate(() => {
            throw new Error('It was asked to');
          });
        }
        return records.get(key);
      },
      set,
      setMany: (entries) => {
        for (const [key, record] of entries) set(key, record);
      },
      delete: (key) => records.delete(key),
      update: (key, change) => void change(records.get(key)),
      getMany: (keys) => keys.map((key) => records.get(key)),
      clear: () => {
        const count = records.size;
        records.clear();
        return count;
      },
      size: () => records.size,
      async *keys() {
        yield [...records.keys()];
      },
      flush: () => {},
      close: () => {},
      facts: () => ({}),
    };
  },
};
