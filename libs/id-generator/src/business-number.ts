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
