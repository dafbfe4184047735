import { StatementValues } from '@daybook/platform';

import { EXCHANGE_ORDER_COLUMNS, type Side } from '../exchange-order.entity.js';
import type { ExchangeOrderStatus } from '../exchange-order-status.js';

/** Which orders; null and an empty list: any. All of it together is what a cursor is made for. */
export interface ExchangeOrderFilters {
  /** The customer who asks; null: an operator, who sees everybody's. */
  readonly owner: string | null;
  readonly statuses: readonly ExchangeOrderStatus[];
  readonly instrument: string | null;
  readonly side: Side | null;
}

/**
 * Reads the newest orders before `before`, the stored id of one, at most `limit`. A filter is there only when it is asked
 * for, so that the planner can take the index that has least to read before the page is full.
 */
export function listStatement(
  { owner, statuses, instrument, side }: ExchangeOrderFilters,
  before: string | null,
  limit: number,
): { readonly text: string; readonly values: readonly unknown[] } {
  const values = new StatementValues();
  const end = `ORDER BY id DESC LIMIT ${values.bind(limit)}`;
  const wanted = values.compare([
    ['customer_id =', owner],
    ['instrument =', instrument],
    ['side =', side],
    ['id <', before],
  ]);
  const pageOf = (conditions: readonly string[]) => {
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
    return `(SELECT * FROM exchange_orders ${where} ${end})`;
  };
  // An index has the orders of each status in order, but not those of several: a page of each is read and merged.
  const pages =
    statuses.length === 0
      ? [pageOf(wanted)]
      : statuses.map((status) => pageOf([`status = ${values.bind(status)}`, ...wanted]));
  return {
    text: `SELECT ${EXCHANGE_ORDER_COLUMNS} FROM (${pages.join(' UNION ALL ')}) AS exchange_orders ${end}`,
    values: values.bound,
  };
}
