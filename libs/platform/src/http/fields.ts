import { applyDecorators } from '@nestjs/common';
import { ApiProperty, type ApiPropertyOptions } from '@nestjs/swagger';
import { Transform, Type } from 'class-transformer';
import {
  IsBoolean,
  IsDate,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  Matches,
  Max,
  Min,
  NotEquals,
  ValidateBy,
  ValidateNested,
} from 'class-validator';

import { ITEM_TYPE } from './compiled-rules.js';

/*
 * Field decorators: each validates a field and documents it in the same stroke, so that the two cannot differ.
 * A field is required unless it says `optional: true`; null is never the same as absent.
 */

interface FieldOptions {
  readonly optional?: boolean;
  readonly description?: string;
  readonly example?: unknown;
  readonly default?: unknown;
}

function field(
  options: FieldOptions,
  schema: ApiPropertyOptions,
  ...rules: PropertyDecorator[]
): PropertyDecorator {
  const { optional = false, ...documented } = options;
  const property = { ...schema, ...documented, required: !optional } as ApiPropertyOptions;
  return applyDecorators(ApiProperty(property), ...(optional ? [Absent()] : []), ...rules);
}

/** Like IsOptional, but null is refused: class-validator itself lets null through as if it were absent. */
function Absent(): PropertyDecorator {
  return applyDecorators(
    Transform(({ value }: { value: unknown }) => (value === null ? NOT_NULL : value)),
    IsOptional(),
  );
}

// Stands in for a null that a client sent: it fits no type, so every rule refuses it.
const NOT_NULL = Symbol('null');

/** A stock keeping unit: 1-64 of `A-Z a-z 0-9 . _ -`. */
export const Sku = (options: FieldOptions = {}) =>
  field(
    { example: 'TEA-EARL-GREY', ...options },
    { type: String, pattern: '^[A-Za-z0-9._-]{1,64}$', minLength: 1, maxLength: 64 },
    Matches(/^[A-Za-z0-9._-]{1,64}$/, { message: '$property must be 1 to 64 of A-Z a-z 0-9 . _ -' }),
    IsString(),
  );

/** Text without control characters and not blank. */
export const Text = (maxLength: number, options: FieldOptions = {}) =>
  field(
    options,
    { type: String, minLength: 1, maxLength },
    ValidateBy({
      name: 'isText',
      validator: {
        validate: (value: unknown) => isText(value, maxLength),
        defaultMessage: () =>
          `$property must be a text of 1 to ${maxLength} characters without control characters`,
      },
    }),
  );

function isText(value: unknown, maxLength: number): boolean {
  if (typeof value !== 'string' || value.trim() === '' || value.length > maxLength) return false;
  return value.isWellFormed() && !/\p{Cc}/u.test(value);
}

/** A whole number in a range. */
export const Whole = (minimum: number, maximum: number, options: FieldOptions = {}) =>
  field(
    options,
    { type: 'integer', minimum, maximum },
    Max(maximum),
    Min(minimum),
    IsInt({ message: '$property must be a whole number' }),
  );

/** A whole number other than 0, at most `limit` either way. */
export const NonZero = (limit: number, options: FieldOptions = {}) =>
  field(
    options,
    { type: 'integer', minimum: -limit, maximum: limit, not: { enum: [0] } },
    NotEquals(0, { message: '$property must not be 0' }),
    Max(limit),
    Min(-limit),
    IsInt({ message: '$property must be a whole number' }),
  );

/** A warehouse's code: 1-32 of `a-z 0-9 -`. */
export const WarehouseCode = (options: FieldOptions = {}) =>
  field(
    { example: 'main', ...options },
    { type: String, pattern: '^[a-z0-9-]{1,32}$', minLength: 1, maxLength: 32 },
    Matches(/^[a-z0-9-]{1,32}$/, { message: '$property must be 1 to 32 of a-z 0-9 -' }),
    IsString(),
  );

/** How many of something: 1 to 1,000,000. */
export const Quantity = (options: FieldOptions = {}) => Whole(1, 1_000_000, { example: 2, ...options });

/** For how long something is held: 1 second to a day. */
export const TtlSeconds = (options: FieldOptions = {}) => Whole(1, 86_400, { example: 600, ...options });

/** An amount of money in minor units. */
export const Cents = (options: FieldOptions = {}) => Whole(0, 9_999_999_999, { example: 1250, ...options });

/** An ISO 4217 currency code. */
export const Currency = (options: FieldOptions = {}) =>
  field(
    { default: 'USD', example: 'USD', ...options },
    { type: String, pattern: '^[A-Z]{3}$' },
    Matches(CURRENCY_PATTERN, { message: '$property must be an ISO 4217 code such as USD' }),
    IsString(),
  );

const CURRENCY_PATTERN = new RegExp(`^(${Intl.supportedValuesOf('currency').join('|')})$`);

/** The ISIN (ISO 6166) of a security, with its check digit verified. */
export const Isin = (options: FieldOptions = {}) =>
  field(
    { example: 'US0378331005', ...options },
    { type: String, pattern: ISIN.source, minLength: 12, maxLength: 12 },
    ValidateBy({
      name: 'hasIsinCheckDigit',
      validator: {
        validate: hasIsinCheckDigit,
        defaultMessage: () =>
          '$property has a last digit that does not fit the others: is there a typing error?',
      },
    }),
    Matches(ISIN, {
      message:
        '$property must be an ISIN: 2 capital letters, 9 capital letters or digits and a check digit, such as US0378331005',
    }),
    IsString({ message: '$property must be a string' }),
  );

const ISIN = /^[A-Z]{2}[A-Z0-9]{9}[0-9]$/;

/** ISO 6166, annex A: letters become two digits each, A is 10; then as on bank cards (Luhn). */
function hasIsinCheckDigit(value: unknown): boolean {
  if (typeof value !== 'string' || !ISIN.test(value)) return false;
  const digits = [...value].map((character) => Number.parseInt(character, 36)).join('');
  const sum = [...digits].reverse().reduce((total, digit, index) => {
    const weighted = Number(digit) * (index % 2 === 0 ? 1 : 2);
    return total + (weighted > 9 ? weighted - 9 : weighted);
  }, 0);
  return sum % 10 === 0;
}

export const Choice = <T extends string>(choices: readonly T[], options: FieldOptions = {}) =>
  field(
    options,
    { type: String, enum: [...choices] },
    IsIn([...choices], { message: `$property must be one of ${choices.join(', ')}` }),
  );

export const Flag = (options: FieldOptions = {}) =>
  field(options, { type: Boolean }, IsBoolean({ message: '$property must be true or false' }));

/** A UUID in its usual text form. */
export const UuidField = (options: FieldOptions = {}) =>
  field(
    options,
    { type: String, format: 'uuid' },
    Matches(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i, { message: '$property must be a UUID' }),
    IsString(),
  );

/** A list of texts that all fit a pattern; `what` says what they are: `order ids`. */
export const Texts = (what: string, pattern: RegExp, mostItems: number, options: FieldOptions = {}) =>
  field(
    options,
    { type: 'array', items: { type: 'string', pattern: pattern.source }, minItems: 1, maxItems: mostItems },
    ValidateBy({
      name: 'areTexts',
      validator: {
        validate: (value: unknown) =>
          Array.isArray(value) &&
          value.length >= 1 &&
          value.length <= mostItems &&
          value.every((item) => typeof item === 'string' && pattern.test(item)),
        defaultMessage: () => `$property must be a list of 1 to ${mostItems} ${what}`,
      },
    }),
  );

/** A list of objects of another DTO class. */
export const Items = (type: () => new () => object): PropertyDecorator =>
  applyDecorators(ValidateNested({ each: true }), Type(type), Reflect.metadata(ITEM_TYPE, type));

/** A place in the journal: a whole number up to 2^63 - 1, as text. */
export const Position = (options: FieldOptions = {}) =>
  field(
    { example: '42', ...options },
    { type: String, pattern: '^[0-9]{1,19}$', minLength: 1, maxLength: 19 },
    ValidateBy({
      name: 'isPosition',
      validator: {
        validate: isPosition,
        defaultMessage: () => `$property must be a position: digits, at most ${MAXIMUM_POSITION}`,
      },
    }),
  );

const MAXIMUM_POSITION = 2n ** 63n - 1n;

/** Whether it is what {@link Position} demands. */
export function isPosition(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9]{1,19}$/.test(value) && BigInt(value) <= MAXIMUM_POSITION;
}

/** A whole number in a range, as a query parameter. */
export const WholeText = (minimum: number, maximum: number, options: FieldOptions = {}) =>
  applyDecorators(
    Transform(({ value }: { value: unknown }) => toNumber(value)),
    Whole(minimum, maximum, options),
  );

/** The `limit` of a list: how many rows a page has. */
export const Limit = () => WholeText(1, 200, { optional: true, default: 50, description: 'Rows per page.' });

/** A query parameter that may be there several times. Read as a list of the choices made, each once. */
export const Choices = <T extends string>(choices: readonly T[], options: FieldOptions = {}) =>
  field(
    options,
    { type: 'array', items: { type: 'string', enum: [...choices] } },
    Transform(({ value }: { value: unknown }) => [...new Set(Array.isArray(value) ? value : [value])]),
    ValidateBy({
      name: 'areChoices',
      validator: {
        validate: (value: unknown) =>
          Array.isArray(value) &&
          value.length > 0 &&
          new Set(value).size === value.length &&
          value.every((item) => choices.includes(item as T)),
        defaultMessage: () => `$property must be one of ${choices.join(', ')}, or several of them`,
      },
    }),
  );

/**
 * A moment in ISO 8601, with its offset from UTC: `2026-11-20T09:30:00.000Z`. Read as a Date. Without an example, which
 * Swagger UI would send along.
 */
export const Instant = (options: FieldOptions = {}) =>
  field(
    options,
    { type: String, format: 'date-time' },
    Transform(({ value }: { value: unknown }) => toInstant(value)),
    IsDate({ message: '$property must be a time such as 2026-11-20T09:30:00.000Z' }),
  );

/** The `cursor` of a list: `nextCursor` of the page before, unless the description says otherwise. */
export const CursorField = (description = 'nextCursor of the page before.') =>
  field(
    { optional: true, description },
    { type: String, maxLength: 512 },
    Matches(/^[A-Za-z0-9_-]{1,512}$/, { message: '$property must be a cursor of this server' }),
    IsString(),
  );

const INSTANT =
  /^(\d{4})-(\d\d)-(\d\d)T(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d)$/;

/** What is no time is left for the rule to refuse. `Date` itself takes February 30 for March 2. */
function toInstant(value: unknown): unknown {
  const [, year, month, day] = (typeof value === 'string' && INSTANT.exec(value)) || [];
  const isDay = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day))).getUTCDate() === Number(day);
  return isDay ? new Date(value as string) : value;
}

/** Query parameters are text: only plain digits are a number, and anything else is left for the rules to refuse. */
function toNumber(value: unknown): unknown {
  return typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value;
}
