import { DETACHED_UNTIL } from '@daybook/platform';

/** One promise about the data as a whole, and the query that finds where it is broken. */
export interface Check {
  /** Subject and promise, such as `stock/allocated`. */
  readonly name: string;
  /** What holds when nothing is found. */
  readonly holds: string;
  /** `--fix` can correct what it finds, most of the time. */
  readonly isFixable?: boolean;
  /** What a person should do about what it finds, and `--fix` does not correct. */
  readonly remedy: string;
  /** Yields one row per discrepancy; its column `discrepancy` names it in words. */
  readonly sql: string;
  /** The query's parameters. */
  readonly values?: (settings: CheckSettings) => readonly unknown[];
}

export interface CheckSettings {
  /** The time zone whose midnight begins a business day. One that was changed meanwhile makes old days look wrong. */
  readonly businessTimezone: string;
}

const NUMBERS_PER_DAY = 10_000_000_000n;

/** SQL for the business day in a stored order number: 20261120. */
export function dayOf(id: string): string {
  return `(${id} / ${NUMBERS_PER_DAY})`;
}

/** SQL for the number within its day. */
export function countOf(id: string): string {
  return `(${id} % ${NUMBERS_PER_DAY})`;
}

/** SQL for the month, YYYYMM, of a stored order number. */
export function monthOf(id: string): string {
  return `(${id} / ${NUMBERS_PER_DAY * 100n})::text`;
}

/**
 * SQL that is true for a month whose orders were detached: rows that refer to them may be left, and are in order. A
 * month that is attached was detached never, or came back.
 * @param table where the orders are
 */
export function isDetached(month: string, table: 'orders' | 'exchange_orders' = 'orders'): string {
  return `(${month} ~ '^\\d{6}$' AND ${month} <= (SELECT value FROM settings WHERE name = '${DETACHED_UNTIL}')
    AND ${month} <> ALL (ARRAY(
      SELECT right(relname, 6) FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
      WHERE inhparent = '${table}'::regclass AND NOT inhdetachpending))) IS TRUE`;
}

/** SQL for the public form of a stored order number, as the journal and the answers have it: 20261120-00001. */
export function shown(id: string): string {
  const count = `${countOf(id)}::text`;
  return `(${dayOf(id)} || '-' || lpad(${count}, greatest(5, length(${count})), '0'))`;
}

/** SQL for a moment as the answers have it: 2026-11-20T12:00:00.000Z. */
export function shownTime(moment: string): string {
  return `to_char(${moment} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}

/** SQL for the place that a row with `product_id` and `warehouse_id` is about, in words. */
export const PLACE = `
  format('%s in %s', coalesce((SELECT sku FROM products WHERE id = product_id), 'product ' || product_id),
    coalesce((SELECT code FROM warehouses WHERE id = warehouse_id), 'warehouse ' || warehouse_id))`;

/** What helps where the stock does not suffice for the claims on it. */
export const COUNT_AND_ADJUST =
  'Count the stock and record the difference (POST /stock-adjustments), or cancel orders; then `--fix` again.';
