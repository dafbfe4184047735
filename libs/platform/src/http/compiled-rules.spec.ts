import { plainToInstance } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsEmail,
  ValidateIf,
  ValidateNested,
  validateSync,
} from 'class-validator';
import fc from 'fast-check';

import { CompiledRules } from './compiled-rules.js';
import { Choice, Currency, Flag, Items, Quantity, Sku, Text, UuidField, Whole } from './fields.js';

class Line {
  @Sku()
  readonly sku!: string;

  @Quantity()
  readonly quantity!: number;
}

class Basket {
  @ValidateIf((basket: Basket) => basket.ticket === undefined || basket.lines !== undefined)
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(3)
  @Items(() => Line)
  readonly lines?: Line[];

  @UuidField({ optional: true })
  readonly ticket?: string;

  @Choice(['normal', 'high'], { optional: true })
  readonly priority?: string;

  @Text(8, { optional: true })
  readonly name?: string;

  @Whole(0, 10, { optional: true })
  readonly count?: number;

  @Flag({ optional: true })
  readonly gift?: boolean;

  @Currency({ optional: true })
  readonly currency?: string;
}

class Inherited extends Basket {
  @Text(8, { optional: true })
  readonly key?: string;
}

/** What the pipe asks when the compiled rules do not accept. */
function findErrors(type: new () => object, value: object): unknown[] {
  return validateSync(plainToInstance(type, value), {
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
  });
}

const scraps = fc.constantFrom<unknown>(
  null,
  '',
  ' ',
  'x',
  'a\u0000',
  -1,
  0,
  1,
  1.5,
  11,
  2e9,
  NaN,
  true,
  [],
  [[]],
  {},
  'USD',
);
const orScrap = <T>(good: fc.Arbitrary<T>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 6, arbitrary: good }, scraps);
const line = fc.record(
  {
    sku: orScrap(fc.constantFrom('TEA-1', 'cup.2')),
    quantity: orScrap(fc.integer({ min: 1, max: 9 })),
    extra: scraps,
  },
  { requiredKeys: ['sku'] },
);
const basket = fc.record(
  {
    lines: orScrap(fc.array(orScrap(line), { maxLength: 4 })),
    ticket: orScrap(fc.uuid()),
    priority: orScrap(fc.constantFrom('normal', 'high')),
    name: orScrap(fc.string({ minLength: 1, maxLength: 9 })),
    count: orScrap(fc.integer({ min: 0, max: 10 })),
    gift: orScrap(fc.boolean()),
    currency: orScrap(fc.constantFrom('USD', 'EUR')),
    key: orScrap(fc.constant('k')),
    unknown: scraps,
  },
  { requiredKeys: [] },
);

describe('compiled rules', () => {
  it.each([[Basket], [Inherited]])('accept nothing in which class-validator finds an error (%p)', (type) => {
    fc.assert(
      fc.property(basket, (value) => {
        if (CompiledRules.of(type).accept(value)) expect(findErrors(type, value)).toEqual([]);
      }),
      { numRuns: 5_000 },
    );
  });

  it('accept whatever class-validator finds no error in, unless there is a null in it', () => {
    const full = {
      lines: [{ sku: 'TEA-1', quantity: 2 }],
      priority: 'high',
      name: 'n',
      count: 0,
      gift: false,
    };
    for (const value of [
      full,
      { ticket: '6f1c2a52-0d5e-4d7e-9f0e-2d9c4b8a7e11' },
      { ...full, currency: 'EUR' },
    ]) {
      expect(findErrors(Basket, value)).toEqual([]);
      expect(CompiledRules.of(Basket).accept(value)).toBe(true);
    }
    expect(CompiledRules.of(Basket).accept({ ...full, name: null })).toBe(false);
  });

  it('leave to class-validator what they do not know: rules for each item, groups, nested objects of unknown class', () => {
    class Unusual {
      @IsEmail({}, { each: true })
      readonly addresses!: string[];
    }
    class Grouped {
      @IsEmail({}, { groups: ['g'] })
      readonly address!: string;
    }
    class Unknown {
      @ValidateNested()
      readonly child!: Line;
    }
    expect(CompiledRules.of(Unusual).accept({ addresses: ['a@example.org'] })).toBe(false);
    expect(CompiledRules.of(Grouped).accept({ address: 'a@example.org' })).toBe(false);
    expect(CompiledRules.of(Unknown).accept({ child: { sku: 'TEA-1', quantity: 1 } })).toBe(false);
  });
});
