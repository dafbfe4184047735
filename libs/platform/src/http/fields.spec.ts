import 'reflect-metadata';

import { inspect } from 'node:util';

import type { Type } from '@nestjs/common';
import fc from 'fast-check';

import { ValidationFailed } from '../errors/domain-error.js';
import {
  Cents,
  Choice,
  Choices,
  Currency,
  CursorField,
  Flag,
  Instant,
  Limit,
  NonZero,
  Quantity,
  Sku,
  Text,
  UuidField,
  WarehouseCode,
  Whole,
} from './fields.js';
import { parseInput } from './input.pipe.js';

/** A class with the one field `value`, so decorated. */
function classWith(decorator: PropertyDecorator): Type<{ value?: unknown }> {
  class Input {
    readonly value?: unknown;
  }
  decorator(Input.prototype, 'value');
  return Input;
}

const accepts = (type: Type<{ value?: unknown }>, value: unknown) => complaint(type, { value }) === undefined;

function complaint(type: Type<{ value?: unknown }>, input: object): string | undefined {
  try {
    parseInput(type, input, 'body');
    return undefined;
  } catch (error) {
    if (error instanceof ValidationFailed) return error.message;
    throw error;
  }
}

interface Schema {
  readonly type?: unknown;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly enum?: readonly unknown[];
  readonly not?: { readonly enum: readonly unknown[] };
  readonly required?: boolean;
  readonly description?: string;
}

/** What the field says of itself in the OpenAPI document. */
const documented = (type: Type) =>
  Reflect.getMetadata('swagger/apiModelProperties', type.prototype as object, 'value') as Schema;

/** A checker of the documented part of JSON Schema. */
function fits(schema: Schema, value: unknown): boolean {
  if (schema.enum && !schema.enum.includes(value)) return false;
  if (schema.not?.enum.includes(value)) return false;
  if (schema.type === Boolean) return typeof value === 'boolean';
  if (schema.type === 'integer') {
    const { minimum = -Infinity, maximum = Infinity } = schema;
    return Number.isInteger(value) && (value as number) >= minimum && (value as number) <= maximum;
  }
  if (typeof value !== 'string') return false;
  const { minLength = 0, maxLength = Infinity, pattern = '' } = schema;
  return value.length >= minLength && value.length <= maxLength && new RegExp(pattern, 'u').test(value);
}

const UUID = '0b0e8bd6-8a5e-4f0a-9d7e-0a1b2c3d4e5f';

const FIELDS: [name: string, make: typeof Sku, good: unknown[], bad: unknown[]][] = [
  ['Sku', Sku, ['A', 'tea_1.2-X', 'x'.repeat(64)], ['', 'x'.repeat(65), 'a b', 'Tee!', 'é', 'A\n', 7, ['A']]],
  [
    'Text',
    (options) => Text(5, options),
    ['a', ' a ', 'ab cd', 'é', '🙂🙂'],
    ['', '  ', '\t', '123456', 'a\nb', 'a\u0000', '\u007f', '\ud800', 5, ['a'], {}],
  ],
  ['Whole', (options) => Whole(2, 9, options), [2, 5, 9], [1, 10, 2.5, '5', NaN, Infinity, true, [5], {}]],
  ['NonZero', (options) => NonZero(9, options), [-9, -1, 1, 9], [0, -0, 10, -10, 1.5, '1']],
  ['WarehouseCode', WarehouseCode, ['main', 'eu-1', 'x'.repeat(32)], ['', 'Main', 'x'.repeat(33), 'a_b', 1]],
  ['Quantity', Quantity, [1, 1_000_000], [0, -1, 1_000_001, 0.5, '1']],
  ['Cents', Cents, [0, 9_999_999_999], [-1, 10_000_000_000, 12.5, '100']],
  ['Currency', Currency, ['USD', 'EUR', 'JPY'], ['usd', 'US', 'USDX', 'ABC', '$', 840]],
  ['Choice', (options) => Choice(['low', 'high'], options), ['low', 'high'], ['LOW', 'mid', '', 0, ['low']]],
  ['Flag', Flag, [true, false], ['true', 0, 1, 'yes']],
  [
    'UuidField',
    UuidField,
    [UUID, UUID.toUpperCase()],
    [UUID.slice(1), `${UUID}0`, `{${UUID}}`, UUID.replaceAll('-', ''), 7],
  ],
];

describe.each(FIELDS)('%s', (_, make, good, bad) => {
  const required = classWith(make());
  const optional = classWith(make({ optional: true, description: 'It is explained.' }));

  it.each(good.map((value) => [inspect(value), value]))('takes %s', (_shown, value) => {
    expect(complaint(required, { value })).toBeUndefined();
    expect(complaint(optional, { value })).toBeUndefined();
  });

  it.each(bad.map((value) => [inspect(value), value]))(
    'refuses %s, and says what it must be',
    (_shown, value) => {
      expect(complaint(required, { value })).toMatch(/^value must /);
      expect(complaint(optional, { value })).toMatch(/^value must /);
    },
  );

  it('must be there unless it is optional; null is never the same as absent', () => {
    expect(complaint(required, {})).toMatch(/^value must /);
    expect(complaint(required, { value: null })).toMatch(/^value must /);
    expect(complaint(optional, {})).toBeUndefined();
    expect(complaint(optional, { value: null })).toMatch(/^value must /);
    expect([documented(required).required, documented(optional).required]).toEqual([true, false]);
  });

  it('is documented as it is checked', () => {
    expect(documented(optional).description).toBe('It is explained.');
    // What is taken fits the documented schema: a client that goes by the document can read all our answers.
    for (const value of good)
      expect({ value, fits: fits(documented(required), value) }).toEqual({ value, fits: true });
    const anyValue = fc.oneof(
      fc.integer({ min: -20, max: 20 }),
      fc.string({ maxLength: 8 }),
      fc.constantFrom(...good, ...bad),
      fc.boolean(),
    );
    fc.assert(
      fc.property(anyValue, (value) => {
        if (accepts(required, value)) expect(fits(documented(required), value)).toBe(true);
      }),
    );
  });
});

describe('Limit', () => {
  const page = classWith(Limit());

  it('is a number in a query: digits become one', () => {
    expect(parseInput(page, { value: '25' }, 'query')).toEqual({ value: 25 });
    expect(parseInput(page, {}, 'query').value).toBeUndefined();
  });

  it.each(['', '0', '-1', '201', '1.5', '1e1', ' 1', '0x1', 'all', '9'.repeat(30), null, ['1', '2']])(
    'refuses %p',
    (value) => {
      expect(complaint(page, { value })).toMatch(/^value must /);
    },
  );
});

describe('CursorField', () => {
  const page = classWith(CursorField());

  it('takes what looks like a cursor, and nothing is a cursor too', () => {
    expect(accepts(page, 'AZaz09_-')).toBe(true);
    expect(complaint(page, {})).toBeUndefined();
  });

  it.each(['', 'a b', 'a=', 'a+b', 'x'.repeat(513), null, 7])('refuses %p', (value) => {
    expect(complaint(page, { value })).toMatch(/^value must /);
  });
});

describe('Choices', () => {
  const colours = classWith(Choices(['red', 'green', 'blue'], { optional: true }));
  const read = (value?: unknown) =>
    parseInput(colours, { ...(value !== undefined && { value }) }, 'query').value;

  it.each([
    ['red', ['red']],
    [['red'], ['red']],
    [
      ['blue', 'red', 'blue'],
      ['blue', 'red'],
    ],
    [undefined, undefined],
  ])('reads %j as %j', (given, choices) => expect(read(given)).toEqual(choices));

  it.each(['', 'RED', 'red,green', 5, null, [], [''], ['red', 'pink'], ['red', null], [['red']]])(
    'refuses %j',
    (value) => expect(accepts(colours, value)).toBe(false),
  );
});

describe('Instant', () => {
  const time = classWith(Instant());

  it.each([
    ['2026-11-20T09:30:00.123Z', '2026-11-20T09:30:00.123Z'],
    ['2026-11-20T09:30Z', '2026-11-20T09:30:00.000Z'],
    ['2026-11-20T09:30:00+01:00', '2026-11-20T08:30:00.000Z'],
    ['2028-02-29T00:00:00-12:00', '2028-02-29T12:00:00.000Z'],
    ['2026-11-20T09:30:00.123456789Z', '2026-11-20T09:30:00.123Z'],
  ])('reads %s as %s', (given, moment) =>
    expect(parseInput(time, { value: given }, 'query').value).toEqual(new Date(moment)),
  );

  it.each([
    '',
    'yesterday',
    '2026-11-20',
    '2026-11-20T09:30:00',
    '2026-02-29T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-00-01T00:00:00Z',
    '2026-11-20T24:00:00Z',
    '2026-11-20T09:30:60Z',
    '2026-11-20 09:30:00Z',
    '2026-11-20T09:30:00 01:00',
    '2026-11-20T09:30:00Z ',
    '1763631000000',
    5,
    null,
    ['2026-11-20T09:30:00Z'],
  ])('refuses %j', (value) => expect(accepts(time, value)).toBe(false));
});
