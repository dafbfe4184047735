import fc from 'fast-check';

import { formatNumber, fromStoredNumber, storedNumbersBetween, toStoredNumber } from './business-number.js';

const days = fc
  .date({ min: new Date('1970-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
  .map((date) => date.toISOString().slice(0, 10).replaceAll('-', ''));
const counts = fc.integer({ min: 1, max: 9_999_999_999 });
const prefixes = fc.constantFrom('', 'X', 'R');

describe('a business number', () => {
  it.each([
    { prefix: '', day: '20261120', n: 1, text: '20261120-00001', stored: '202611200000000001' },
    { prefix: '', day: '20261120', n: 99_999, text: '20261120-99999', stored: '202611200000099999' },
    { prefix: '', day: '20261120', n: 100_000, text: '20261120-100000', stored: '202611200000100000' },
    {
      prefix: 'X',
      day: '19700101',
      n: 9_999_999_999,
      text: 'X19700101-9999999999',
      stored: '197001019999999999',
    },
  ])('$text is stored as $stored', ({ prefix, day, n, text, stored }) => {
    expect(formatNumber(prefix, day, n)).toBe(text);
    expect(toStoredNumber(text, prefix)).toBe(stored);
    expect(fromStoredNumber(stored, prefix)).toBe(text);
  });

  it.each([
    ['no number', ''],
    ['no hyphen', '2026112000001'],
    ['too few digits', '20261120-0001'],
    ['a zero too many', '20261120-000001'],
    ['a zero in front of a long number', '20261120-0100000'],
    ['too many digits', '20261120-10000000000'],
    ['another series', 'X20261120-00001'],
    ['a small letter', 'x20261120-00001'],
    ['a sign', '-20261120-00001'],
    ['a space', '20261120-00001 '],
    ['a line feed', '20261120-00001\n'],
    ['digits that are not ASCII', '２0261120-00001'],
    ['a short day', '2026112-00001'],
  ])('is refused with %s', (_, text) => {
    expect(toStoredNumber(text)).toBeUndefined();
  });

  it('of one series is none of another', () => {
    expect(toStoredNumber('X20261120-00001', 'X')).toBe('202611200000000001');
    expect(toStoredNumber('20261120-00001', 'X')).toBeUndefined();
    expect(toStoredNumber('R20261120-00001', 'X')).toBeUndefined();
  });

  it('comes back from storage as it went in', () => {
    fc.assert(
      fc.property(prefixes, days, counts, (prefix, day, n) => {
        const text = formatNumber(prefix, day, n);
        const stored = toStoredNumber(text, prefix);
        expect(stored).toBe(String(BigInt(day) * 10_000_000_000n + BigInt(n)));
        expect(fromStoredNumber(stored as string, prefix)).toBe(text);
      }),
    );
  });

  it('is stored in the order of days, and of numbers within a day', () => {
    fc.assert(
      fc.property(days, counts, days, counts, (dayA, a, dayB, b) => {
        const stored = ([day, n]: [string, number]) =>
          BigInt(toStoredNumber(formatNumber('', day, n)) as string);
        const isEarlier = dayA < dayB || (dayA === dayB && a < b);
        expect(stored([dayA, a]) < stored([dayB, b])).toBe(isEarlier);
      }),
    );
  });

  it('fits the 64 bits of its column on every day of the calendar', () => {
    const largest = toStoredNumber(formatNumber('', '99991231', 9_999_999_999)) as string;
    expect(BigInt(largest)).toBeLessThan(2n ** 63n);
  });
});

describe('the numbers of a span of time', () => {
  const HOUR_MS = 3_600_000;
  const moments = fc.date({ min: new Date('2000-01-01'), max: new Date('2100-01-01'), noInvalidDate: true });
  const dayAt = (moment: Date, offsetHours: number) =>
    new Date(moment.getTime() + offsetHours * HOUR_MS).toISOString().slice(0, 10).replaceAll('-', '');

  it('have among them those of every moment within, in whatever time zone the day was', () => {
    fc.assert(
      fc.property(
        moments,
        moments,
        moments,
        fc.integer({ min: -12, max: 14 }),
        counts,
        (a, b, c, offset, n) => {
          const [from, placedAt, to] = [a, b, c].sort((one, other) => one.getTime() - other.getTime()) as [
            Date,
            Date,
            Date,
          ];
          fc.pre(placedAt < to);
          const number = BigInt(toStoredNumber(formatNumber('', dayAt(placedAt, offset), n)) as string);
          const { first, end } = storedNumbersBetween(from, to);
          expect(number >= BigInt(first as string)).toBe(true);
          expect(number < BigInt(end as string)).toBe(true);
        },
      ),
    );
  });

  it('are of a day more on either side at most', () => {
    const day = storedNumbersBetween(new Date('2026-11-20Z'), new Date('2026-11-21Z'));
    expect(day).toEqual({ first: '202611190000000000', end: '202611220000000000' });
  });

  it('have no bound where the span has none', () => {
    expect(storedNumbersBetween(null, null)).toEqual({ first: null, end: null });
  });
});
