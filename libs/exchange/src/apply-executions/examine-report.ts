import { MOST_PRICE_CENTS, MOST_QUANTITY } from '../exchange-order.entity.js';
import type { ExecutionReport } from '../execution-report.js';
import { EXECUTION_TYPES } from '../execution-report.js';

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/;
// Visible characters of ASCII: names that anybody can say, print and look for.
const NAME = /^[\x21-\x7e]{1,128}$/;
const LONGEST_REASON = 500;
const TYPES: ReadonlySet<string> = new Set(EXECUTION_TYPES);

/**
 * What is wrong with a report as it stands, whatever order it is of; undefined when nothing is. A venue is another
 * company's program: nothing that it sends is believed before.
 */
export function examineReport(report: ExecutionReport): string | undefined {
  const { execId, type, quantity, priceCents } = report;
  if (typeof execId !== 'string' || !NAME.test(execId)) return 'it has no ExecID';
  if (!TYPES.has(type)) return 'its type is not known';
  if (type === 'trade') {
    if (!isWhole(quantity, MOST_QUANTITY)) return `a trade needs a whole quantity up to ${MOST_QUANTITY}`;
    if (!isWhole(priceCents, MOST_PRICE_CENTS))
      return `a trade needs a price in whole cents up to ${MOST_PRICE_CENTS}`;
  } else if (isPresent(quantity) || isPresent(priceCents)) return 'only a trade has a quantity and a price';
  return isInstant(report.executedAt) ? undefined : 'it does not say when it happened';
}

/** The venue's words as a column can hold them. */
export function reasonOf({ reason }: ExecutionReport): string | null {
  return typeof reason === 'string' && reason !== '' ? storableText(reason.slice(0, LONGEST_REASON)) : null;
}

/** Without control characters and halves of characters, which neither PostgreSQL nor a terminal takes. */
export function storableText(text: string): string {
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  return text.replaceAll(/[\x00-\x1f\x7f]/g, ' ').toWellFormed();
}

function isWhole(value: unknown, most: number): boolean {
  return Number.isSafeInteger(value) && (value as number) > 0 && (value as number) <= most;
}

function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function isInstant(value: unknown): boolean {
  return typeof value === 'string' && INSTANT.test(value) && !Number.isNaN(Date.parse(value));
}
