import { type Check, countOf, dayOf, isDetached, monthOf, shown, shownTime } from './check.js';

/** SQL for the public form of a stored number of an exchange order: X20261120-00001. */
export function shownExchange(id: string): string {
  return `('X' || ${shown(id)})`;
}

const detached = (id: string) => isDetached(monthOf(id), 'exchange_orders');

export const EXCHANGE_CHECKS: readonly Check[] = [
  {
    name: 'exchange/numbers',
    holds:
      'The number of an exchange order names the business day on which it was placed, and counts from 1.',
    remedy:
      'Was BUSINESS_TIMEZONE changed? Then the orders from before are right. Else compare placed_at with the journal.',
    sql: `
      SELECT format('order %s was placed at %s, on the business day %s of %s', ${shownExchange('id')},
        ${shownTime('placed_at')}, business_day, $1::text) AS discrepancy
      FROM exchange_orders,
        LATERAL (SELECT to_char(placed_at AT TIME ZONE $1::text, 'YYYYMMDD') AS business_day) AS placed
      WHERE ${dayOf('id')}::text <> business_day OR ${countOf('id')} < 1`,
    values: ({ businessTimezone }) => [businessTimezone],
  },
  {
    name: 'exchange/filled',
    holds: 'What an exchange order is filled with is the sum of its trades.',
    remedy:
      'Compare both with the venue, which knows; the journal rows `exchange_order.executed` name what was counted.',
    sql: `
      SELECT format('order %s: %s filled for %s cents, its trades come to %s for %s', ${shownExchange('id')},
        cum_quantity, traded_cents, quantity, cents) AS discrepancy
      FROM (
        SELECT placed.id, placed.cum_quantity, placed.traded_cents, coalesce(sum(trade.quantity), 0) AS quantity,
          coalesce(sum(trade.quantity::numeric * trade.price_cents), 0) AS cents
        FROM exchange_orders placed LEFT JOIN executions trade ON trade.order_id = placed.id AND trade.type = 'trade'
        GROUP BY placed.id, placed.cum_quantity, placed.traded_cents) AS traded
      WHERE (cum_quantity, traded_cents) <> (quantity, cents)`,
  },
  {
    name: 'exchange/status',
    holds: 'An exchange order is as far filled as its status says.',
    remedy: 'Somebody changed it by hand: ask the venue how the order stands, and compare with the journal.',
    sql: `
      SELECT format('order %s is %s, with %s of %s filled', ${shownExchange('id')}, status, cum_quantity, quantity)
        AS discrepancy
      FROM exchange_orders
      WHERE CASE status
        WHEN 'filled' THEN cum_quantity < quantity
        WHEN 'partially_filled' THEN cum_quantity = 0 OR cum_quantity = quantity
        WHEN 'cancel_pending' THEN cum_quantity = quantity
        WHEN 'cancelled' THEN cum_quantity = quantity
        WHEN 'expired' THEN cum_quantity = quantity
        ELSE cum_quantity > 0 END`,
  },
  {
    name: 'exchange/executions-belong',
    holds: 'Every execution is of an exchange order that exists.',
    remedy: 'Restore the order from a backup; the venue knows it too.',
    sql: `
      SELECT format('execution %s of order %s: there is no such order', exec_id, ${shownExchange('order_id')})
        AS discrepancy
      FROM executions WHERE NOT EXISTS (SELECT FROM exchange_orders WHERE id = order_id)
        AND NOT ${detached('order_id')}`,
  },
  {
    name: 'exchange/client-order-ids',
    holds: "A customer's own name for an exchange order leads to that order, and to no other.",
    remedy:
      'Write or delete the row in exchange_client_order_ids; until then a retry could place the order again.',
    sql: `
      SELECT CASE
        WHEN named.order_id IS NULL
          THEN format('order %s is called %s by %s, which is not in exchange_client_order_ids',
            ${shownExchange('placed.id')}, placed.client_order_id, placed.customer_id)
        ELSE format('%s of %s leads to order %s, which is not called so', named.client_order_id, named.customer_id,
          ${shownExchange('named.order_id')}) END AS discrepancy
      FROM (SELECT * FROM exchange_orders WHERE client_order_id IS NOT NULL) AS placed
      FULL JOIN exchange_client_order_ids named ON named.customer_id = placed.customer_id
        AND named.client_order_id = placed.client_order_id AND named.order_id = placed.id
      WHERE placed.id IS NULL AND NOT ${detached('named.order_id')} OR named.order_id IS NULL`,
  },
  {
    name: 'exchange/answers',
    holds: 'An answer kept for retries that tells of an exchange order tells of one that exists.',
    remedy:
      'Restore the order from a backup, and ask the venue about it: a customer was told that it is there.',
    sql: `
      SELECT format('key %s of %s was answered with order %s: there is no such order', key, caller, number) AS discrepancy
      FROM (
        SELECT caller, key, split_part(location, '/', 6) AS number FROM idempotency_keys
        WHERE location LIKE '/api/v1/exchange/orders/%') AS answered
      WHERE NOT EXISTS (SELECT FROM exchange_orders WHERE ${shownExchange('exchange_orders.id')} = number)
        AND NOT ${isDetached('substr(number, 2, 6)', 'exchange_orders')}`,
  },
];
