import { type Check, countOf, dayOf, isDetached, monthOf, shown, shownTime } from './check.js';
import { ORDER_COUNTS_DRIFT } from './order-counts.js';

export const ORDER_CHECKS: readonly Check[] = [
  {
    name: 'numbers/business-day',
    holds: 'An order number names the business day on which the order was placed.',
    remedy:
      'Was BUSINESS_TIMEZONE changed? Then the orders from before are right. Else compare placed_at with the journal.',
    sql: `
      SELECT format('order %s was placed at %s, on the business day %s of %s', ${shown('id')},
        ${shownTime('placed_at')}, business_day, $1::text) AS discrepancy
      FROM orders, LATERAL (SELECT to_char(placed_at AT TIME ZONE $1::text, 'YYYYMMDD') AS business_day) AS placed
      WHERE ${dayOf('id')}::text <> business_day`,
    values: ({ businessTimezone }) => [businessTimezone],
  },
  {
    name: 'numbers/from-one',
    holds: 'The numbers of a day start at 1.',
    remedy: 'Daybook starts at 1, so somebody wrote it by hand: the journal tells which order it was.',
    sql: `
      SELECT format('order %s has the number %s within its day', ${shown('id')}, ${countOf('id')}) AS discrepancy
      FROM orders WHERE ${countOf('id')} < 1`,
  },
  {
    name: 'numbers/unique',
    holds: 'No number was given to two orders.',
    remedy:
      'The primary key is gone or broken (a damaged index?): check the disk, REINDEX, and compare both with the journal.',
    sql: `
      SELECT format('%s orders have the number %s', count(*), ${shown('id')}) AS discrepancy
      FROM orders GROUP BY id HAVING count(*) > 1`,
  },
  {
    name: 'orders/have-lines',
    holds: 'Every order has lines.',
    remedy: 'The journal row `order.placed` names its lines, a backup has its allocations: write both again.',
    sql: `
      SELECT format('order %s has no lines', ${shown('id')}) AS discrepancy
      FROM orders WHERE NOT EXISTS (SELECT FROM order_lines line WHERE line.order_id = orders.id)`,
  },
  {
    name: 'orders/lines-belong',
    holds: 'Every line is a line of an order, for a product that exists.',
    remedy: 'Restore what they belong to from a backup; the journal row `order.placed` tells what there was.',
    sql: `
      SELECT format('line %s of order %s: there is no such order', line_no, ${shown('order_id')}) AS discrepancy
      FROM order_lines line WHERE NOT EXISTS (SELECT FROM orders WHERE orders.id = line.order_id)
        AND NOT ${isDetached(monthOf('line.order_id'))}
      UNION ALL
      SELECT format('line %s of order %s: there is no product %s', line_no, ${shown('order_id')}, product_id)
      FROM order_lines line WHERE NOT EXISTS (SELECT FROM products WHERE products.id = line.product_id)`,
  },
  {
    name: 'orders/allocations-belong',
    holds: 'Every allocation is for a line, from a warehouse that exists.',
    remedy: 'Restore what they belong to from a backup; `--fix` corrects the stock afterwards.',
    sql: `
      SELECT format('allocation for line %s of order %s: there is no such line', line_no, ${shown('order_id')})
        AS discrepancy
      FROM order_allocations allocation
      WHERE NOT EXISTS (SELECT FROM order_lines line WHERE line.order_id = allocation.order_id
        AND line.line_no = allocation.line_no)
        AND NOT ${isDetached(monthOf('allocation.order_id'))}
      UNION ALL
      SELECT format('allocation for line %s of order %s: there is no warehouse %s', line_no, ${shown('order_id')},
        warehouse_id)
      FROM order_allocations allocation
      WHERE NOT EXISTS (SELECT FROM warehouses WHERE warehouses.id = allocation.warehouse_id)`,
  },
  {
    name: 'orders/allocations-add-up',
    holds: 'The allocations of a line add up to its quantity.',
    remedy:
      'The journal row `order.placed` names what was ordered: correct the line, or have the order cancelled.',
    sql: `
      SELECT format('line %s of order %s: %s ordered, %s allocated', line_no, ${shown('order_id')}, quantity,
        allocated) AS discrepancy
      FROM (
        SELECT order_id, line_no, line.quantity, coalesce(sum(allocation.quantity), 0) AS allocated
        FROM order_lines line LEFT JOIN order_allocations allocation USING (order_id, line_no)
        GROUP BY order_id, line_no, line.quantity) AS line
      WHERE quantity <> allocated AND NOT ${isDetached(monthOf('order_id'))}`,
  },
  {
    name: 'orders/total',
    holds: "An order's total is the sum of its lines.",
    remedy: 'The journal row `order.placed` names prices and total: one of the two was changed by hand.',
    sql: `
      SELECT format('order %s has a total of %s cents, its lines come to %s', ${shown('id')}, total_cents, lines_cents)
        AS discrepancy
      FROM (
        SELECT placed.id, placed.total_cents, coalesce(sum(line.quantity * line.unit_price_cents), 0) AS lines_cents
        FROM orders placed LEFT JOIN order_lines line ON line.order_id = placed.id
        GROUP BY placed.id, placed.total_cents) AS placed
      WHERE total_cents <> lines_cents`,
  },
  {
    name: 'orders/client-order-ids',
    holds: "A customer's own name for an order leads to that order, and to no other.",
    remedy: 'Write or delete the row in client_order_ids; until then a retry could place the order again.',
    sql: `
      SELECT CASE
        WHEN named.order_id IS NULL
          THEN format('order %s is called %s by %s, which is not in client_order_ids', ${shown('placed.id')},
            placed.client_order_id, placed.customer_id)
        ELSE format('%s of %s leads to order %s, which is not called so', named.client_order_id, named.customer_id,
          ${shown('named.order_id')}) END AS discrepancy
      FROM (SELECT * FROM orders WHERE client_order_id IS NOT NULL) AS placed
      FULL JOIN client_order_ids named ON named.customer_id = placed.customer_id
        AND named.client_order_id = placed.client_order_id AND named.order_id = placed.id
      WHERE placed.id IS NULL AND NOT ${isDetached(monthOf('named.order_id'))} OR named.order_id IS NULL`,
  },
  {
    name: 'orders/counted',
    holds: 'The figures of metrics and reports count every order, in the status it is in.',
    isFixable: true,
    remedy:
      'Did an older version of Daybook, which does not count, run beside this one? `--fix` counts anew.',
    sql: `
      SELECT format('orders of %s, %s, %s: there are %s, %s are counted', month, priority, status, found, counted)
        AS discrepancy
      FROM (${ORDER_COUNTS_DRIFT}) AS drift`,
  },
];

// By their text, as the server wrote them: one that is torn must not end the examination, and PostgreSQL could not tell
// whether a text is JSON before version 16. What looks like this inside a string has backslashes before its quotes.
const ANSWERED_ORDERS = String.raw`
  SELECT caller, key, substring(body FROM '^\{"id":"([^"]*)".*\}$') AS number
  FROM idempotency_keys WHERE status = 201 AND location LIKE '/api/v1/orders/%'
  UNION ALL
  SELECT caller, key, found[1]
  FROM idempotency_keys,
    LATERAL regexp_matches(body, '"status":201,"replayed":(?:true|false),"order":\{"id":"([^"]*)"', 'g') AS found
  WHERE status = 200`;

export const IDEMPOTENCY_CHECKS: readonly Check[] = [
  {
    name: 'idempotency/answers',
    holds: 'An answer kept for retries that tells of an order tells of one that exists.',
    remedy: 'Restore the order from a backup: a customer was told that it is placed.',
    sql: `
      SELECT format('key %s of %s was answered with order %s: there is no such order', key, caller,
        coalesce(number, '(none)')) AS discrepancy
      FROM (${ANSWERED_ORDERS}) AS answered
      WHERE NOT EXISTS (SELECT FROM orders WHERE ${shown('orders.id')} = answered.number)
        AND NOT ${isDetached('left(answered.number, 6)')}`,
  },
  {
    name: 'idempotency/one-order-per-key',
    holds: 'No two keys were answered with the same order as their own.',
    remedy: 'Ask the caller whether both were meant: one of them may have been meant as an order of its own.',
    sql: `
      SELECT format('order %s was answered to %s keys: %s', split_part(location, '/', 5), count(*),
        string_agg(format('%s of %s', key, caller), ', ' ORDER BY caller, key)) AS discrepancy
      FROM idempotency_keys WHERE status = 201 AND location LIKE '/api/v1/orders/%'
      GROUP BY location HAVING count(*) > 1`,
  },
];
