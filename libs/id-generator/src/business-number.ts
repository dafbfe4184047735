/**
 * The number of an order or of anything else that is counted per business day: `20261120-00001`, with the prefix of
 * its series if that has one. At least five digits; past 99999 it grows, it never wraps.
 */
export type BusinessNumber = string & { readonly __brand: 'BusinessNumber' };

// Ten digits for the number within the day: day * 10^10 + n fits a signed 64-bit integer until the year 92233.
const STORED_DIGITS = 10;
const SHOWN_DIGITS = 5;
const PATTERN = /^([A-Z]?)(\d{8})-(\d{5}|[1-9]\d{5,9})$/;

export function formatNumber(prefix: string, day: string, n: number | string): BusinessNumber {
  return `${prefix}${day}-${String(n).padStart(SHOWN_DIGITS, '0')}` as BusinessNumber;
}

/**
 * The stored form, day * 10^10 + n, as decimal text: it exceeds what a JavaScript number holds exactly.
 * Undefined when the text is not a number of the series with this prefix.
 */
export function toStoredNumber(text: string, prefix = ''): string | undefined {
  const [, actualPrefix, day, n] = PATTERN.exec(text) ?? [];
  if (day === undefined || n === undefined || actualPrefix !== prefix) return undefined;
  return `${day}${n.padStart(STORED_DIGITS, '0')}`;
}

/** The public form of a stored number. */
export function fromStoredNumber(stored: string, prefix = ''): BusinessNumber {
  const day = stored.slice(0, -STORED_DIGITS);
  return formatNumber(prefix, day, stored.slice(-STORED_DIGITS).replace(/^0{1,5}/, ''));
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
// A day of the business begins up to 14 hours before that of UTC (Kiribati), and ends up to 12 hours after it.
const EARLY_MS = 14 * HOUR_MS;
const LATE_MS = 12 * HOUR_MS;

/**
 * Bounds of the stored numbers that may have been given in a span of time, whatever the time zone of the business was
 * then: from `first` on, below `end`. A row within them still has to be asked for its time.
 */
export function storedNumbersBetween(
  from: Date | null,
  to: Date | null,
): { readonly first: string | null; readonly end: string | null } {
  return {
    first: from && storedDay(Math.floor((from.getTime() - DAY_MS - LATE_MS) / DAY_MS) + 1),
    end: to && storedDay(Math.ceil((to.getTime() + EARLY_MS) / DAY_MS)),
  };
}

const FIRST_DAY = Date.UTC(1000, 0, 1) / DAY_MS;
const LAST_DAY = Date.UTC(9999, 11, 31) / DAY_MS;

/** Where the stored numbers of a day begin; the day is counted from 1970. */
function storedDay(day: number): string {
  const date = new Date(Math.min(Math.max(day, FIRST_DAY), LAST_DAY) * DAY_MS);
  return date.toISOString().slice(0, 10).replaceAll('-', '') + '0'.repeat(STORED_DIGITS);
}
