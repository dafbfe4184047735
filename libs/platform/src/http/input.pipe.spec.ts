import { Type as Nested } from 'class-transformer';
import { ArrayMaxSize, IsArray, ValidateNested } from 'class-validator';
import fc from 'fast-check';

import { type FieldError, NotFound, ValidationFailed } from '../errors/domain-error.js';
import { Choice, Limit, Quantity, Sku, Text } from './fields.js';
import { InputPipe, parseInput } from './input.pipe.js';
import { parseJsonBody } from './json-body.js';

class Line {
  @Sku()
  readonly sku!: string;

  @Quantity()
  readonly quantity!: number;
}

class Basket {
  @IsArray({ message: '$property must be a list' })
  @ArrayMaxSize(100, { message: '$property must have at most 100 lines' })
  @ValidateNested({ each: true })
  @Nested(() => Line)
  readonly lines!: Line[];

  @Choice(['normal', 'high'], { optional: true })
  readonly priority?: string;

  @Text(20, { optional: true })
  readonly note?: string;
}

class Filter {
  @Limit()
  readonly limit?: number;
}

const good = () => ({ lines: [{ sku: 'TEA', quantity: 2 }] });

/** What is wrong with a body, field by field. It takes the way of every body: read as JSON, then made an instance. */
function errorsOf(body: unknown): readonly FieldError[] {
  return errorsOfText(JSON.stringify(body) ?? '');
}

function errorsOfText(body: string): readonly FieldError[] {
  try {
    parseInput(Basket, parseJsonBody(Buffer.from(body)), 'body');
    return [];
  } catch (error) {
    if (error instanceof ValidationFailed) return error.errors;
    throw error;
  }
}

describe('input that fits', () => {
  it('becomes an instance of its class, down to the parts', () => {
    const basket = parseInput(Basket, good(), 'body');
    expect(basket).toBeInstanceOf(Basket);
    expect(basket.lines[0]).toBeInstanceOf(Line);
    expect(basket).toEqual(good());
  });

  it('needs no optional fields', () => {
    expect(parseInput(Basket, good(), 'body')).toMatchObject({ priority: undefined, note: undefined });
  });
});

describe('input that does not fit', () => {
  it.each<[what: string, value: unknown]>([
    ['null', null],
    ['nothing', undefined],
    ['a text', 'lines'],
    ['a number', 7],
    ['true', true],
    ['a list', [good()]],
    ['an empty list', []],
  ])('is refused when it is %s instead of an object', (_, value) => {
    expect(errorsOf(value)).toEqual([{ path: 'body', message: 'must be a JSON object' }]);
  });

  it.each<[path: string, message: string, value: object]>([
    ['lines', 'must be a list', {}],
    ['lines', 'must be a list', { lines: { 0: { sku: 'TEA', quantity: 1 } } }],
    ['lines[0].quantity', 'must not be less than 1', { lines: [{ sku: 'TEA', quantity: 0 }] }],
    ['lines[0].quantity', 'must be a whole number', { lines: [{ sku: 'TEA', quantity: '2' }] }],
    [
      'lines[1].sku',
      'must be 1 to 64 of',
      {
        lines: [
          { sku: 'TEA', quantity: 1 },
          { sku: '', quantity: 1 },
        ],
      },
    ],
    ['lines[0].size', 'is not a known field', { lines: [{ sku: 'TEA', quantity: 1, size: 'XL' }] }],
    ['lines[0]', 'must be an object', { lines: ['TEA'] }],
    ['lines[0]', 'must be an object', { lines: [null] }],
    ['lines[0]', 'must not be a list', { lines: [[{ sku: 'TEA', quantity: 1 }]] }],
    ['priority', 'must be one of normal, high', { ...good(), priority: 'urgent' }],
    ['priority', 'must be one of normal, high', { ...good(), priority: null }],
    ['note', 'must be a text of 1 to 20', { ...good(), note: '' }],
    ['prioritiy', 'is not a known field', { ...good(), prioritiy: 'high' }],
  ])('names %s: it %s', (path, message, value) => {
    const errors = errorsOf(value);
    expect(errors).toContainEqual({ path, message: expect.stringContaining(message) });
  });

  it('names every bad field once', () => {
    const value = { lines: [{ sku: 5, quantity: 1.5, size: 1 }], priority: 7, note: 8 };
    expect(
      errorsOf(value)
        .map(({ path }) => path)
        .toSorted(),
    ).toEqual(['lines[0].quantity', 'lines[0].size', 'lines[0].sku', 'note', 'priority'].toSorted());
  });

  it('is not answered with a report longer than anyone reads', () => {
    const lines = Array.from({ length: 100 }, () => ({ sku: '', quantity: 0 }));
    expect(errorsOf({ lines })).toHaveLength(20);
  });

  it('is refused when it is nested deeper than any input of ours, however deep', () => {
    for (const depth of [20, 100_000]) {
      const errors = errorsOfText(`${'{"lines":'.repeat(depth)}1${'}'.repeat(depth)}`);
      expect(errors).toEqual([{ path: expect.stringMatching(/^lines/), message: 'is nested too deeply' }]);
    }
  });
});

describe('a field that nobody knows', () => {
  it.each([
    '__proto__',
    'constructor',
    'prototype',
    'toString',
    'valueOf',
    'hasOwnProperty',
    '__defineGetter__',
  ])('is refused even when it is called %s, at the top and in a part', (name) => {
    const atTheTop = errorsOfText(`{"lines":[{"sku":"TEA","quantity":1}],"${name}":{"admin":true}}`);
    expect(atTheTop).toMatchObject([{ path: name }]);
    const inAPart = errorsOfText(`{"lines":[{"sku":"TEA","quantity":1,"${name}":{"admin":true}}]}`);
    expect(inAPart).toMatchObject([{ path: `lines[0].${name}` }]);
    expect({}).not.toHaveProperty('admin');
  });

  it('is refused, whatever it is called and whatever it holds', () => {
    fc.assert(
      fc.property(fc.string(), fc.json(), (name, value) => {
        fc.pre(!['lines', 'priority', 'note'].includes(name));
        const body = `{"lines":[{"sku":"TEA","quantity":1}],${JSON.stringify(name)}:${value}}`;
        expect(errorsOfText(body)).not.toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});

describe('any JSON at all', () => {
  it('is taken, or refused with a word about each field that does not fit', () => {
    const anyBasket = fc.oneof(
      fc.jsonValue(),
      fc.record(
        {
          lines: fc.array(fc.record({ sku: fc.jsonValue(), quantity: fc.jsonValue() }), { maxLength: 3 }),
          note: fc.jsonValue(),
        },
        { requiredKeys: [] },
      ),
    );
    fc.assert(
      fc.property(anyBasket, (value) => {
        for (const { message } of errorsOf(value)) expect(message).not.toBe('');
      }),
    );
  });
});

describe('the pipe', () => {
  const pipe = new InputPipe();

  it('parses bodies and queries', () => {
    const body = pipe.transform(good(), { type: 'body', metatype: Basket });
    expect(body).toBeInstanceOf(Basket);
    expect(pipe.transform({ limit: '7' }, { type: 'query', metatype: Filter })).toEqual({ limit: 7 });
    expect(() => pipe.transform({ limit: 'all' }, { type: 'query', metatype: Filter })).toThrow(
      ValidationFailed,
    );
    expect(() => pipe.transform({ limit: ['1', '2'] }, { type: 'query', metatype: Filter })).toThrow(
      ValidationFailed,
    );
  });

  it('leaves alone what comes from elsewhere, and what has no class', () => {
    const value = { anything: true };
    expect(pipe.transform(value, { type: 'custom', metatype: Basket })).toBe(value);
    expect(pipe.transform(value, { type: 'body' })).toBe(value);
    expect(pipe.transform('20261120-00001', { type: 'param', metatype: String })).toBe('20261120-00001');
  });

  it('finds nothing under a path with a control character', () => {
    for (const id of ['a\u0000b', '\u001f', 'x\u007f', '\u0085']) {
      expect(() => pipe.transform(id, { type: 'param', metatype: String })).toThrow(NotFound);
    }
  });
});
