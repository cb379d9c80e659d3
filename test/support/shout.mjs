/** A serializer in a module of its own, as an application has it: everything becomes text in capitals. */
export default {
  name: 'shout',
  binary: false,
  encode: (value) => JSON.stringify(value).toUpperCase(),
  decode: (text) => JSON.parse(text),
};

/** One that takes every value that v8 takes, and more: instances of its own class. */
export class Point {
  constructor(x) {
    this.x = x;
  }
}

export const points = {
  name: 'points',
  binary: true,
  encode(value) {
    if (!(value instanceof Point)) {
      throw new RangeError('not a point');
    }
    return Buffer.from(String(value.x));
  },
  decode: (bytes) => new Point(Number(bytes.toString())),
};
