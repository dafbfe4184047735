import fc from 'fast-check';

import { ValidationFailed } from '../errors/domain-error.js';
import { CursorCodec } from './cursor.js';

const codec = new CursorCodec('a secret that all replicas share');
const list = { list: 'orders', owner: 'alice', sort: 'newest' };

const anyPosition = fc.array(fc.oneof(fc.string({ unit: 'binary' }), fc.integer(), fc.maxSafeInteger()), {
  maxLength: 3,
});

function expectRefused(cursor: string, message: string, ofList: unknown = list): void {
  const decode = () => codec.decode(ofList, cursor);
  expect(decode).toThrow(ValidationFailed);
  expect(decode).toThrow(`cursor ${message}`);
}

const NOT_OURS = 'is not a cursor of this server';

describe('a cursor', () => {
  it('brings back the position it was made of, whatever that is', () => {
    fc.assert(
      fc.property(anyPosition, (position) => {
        expect(codec.decode(list, codec.encode(list, position))).toEqual(position);
      }),
    );
  });

  it('fits into a URL as it is', () => {
    fc.assert(
      fc.property(anyPosition, (position) => {
        expect(codec.encode(list, position)).toMatch(/^[A-Za-z0-9_-]+$/);
      }),
    );
  });

  it('made by one replica is read by another, which has the same secret', () => {
    const other = new CursorCodec('a secret that all replicas share');
    expect(other.decode(list, codec.encode(list, ['20261120-00001']))).toEqual(['20261120-00001']);
  });

  it('depends on what the list is, not on how its description is written', () => {
    const cursor = codec.encode({ a: 1, b: undefined, c: [2] }, [7]);
    expect(codec.decode({ c: [2], a: 1 }, cursor)).toEqual([7]);
  });
});

describe('a cursor is refused', () => {
  it('when a single character of it was changed', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    fc.assert(
      fc.property(anyPosition, fc.nat(), fc.constantFrom(...alphabet), (position, at, replacement) => {
        const cursor = codec.encode(list, position);
        const index = at % cursor.length;
        fc.pre(cursor[index] !== replacement);
        expectRefused(cursor.slice(0, index) + replacement + cursor.slice(index + 1), NOT_OURS);
      }),
    );
  });

  it('when it was cut short or made longer', () => {
    const cursor = codec.encode(list, ['20261120-00001']);
    for (let length = 0; length < cursor.length; length += 1)
      expectRefused(cursor.slice(0, length), NOT_OURS);
    for (const tail of ['A', '=', ' ', '\n', cursor]) expectRefused(cursor + tail, NOT_OURS);
  });

  it('when it is any other text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.base64String()), (text) =>
        expectRefused(text, NOT_OURS),
      ),
    );
  });

  it('when it was made with another secret', () => {
    expectRefused(new CursorCodec('another secret').encode(list, [1]), NOT_OURS);
  });

  it('by any other list: other filters, another owner, another sort', () => {
    const cursor = codec.encode(list, [1]);
    for (const change of [
      { owner: 'bob' },
      { sort: 'oldest' },
      { list: 'products' },
      { status: 'pending' },
    ]) {
      expectRefused(cursor, 'was made for other filters or another sort', { ...list, ...change });
    }
  });
});
