import { orderStatusMachine } from '@daybook/orders';

import { type Check, shown } from './check.js';

const EDGES = orderStatusMachine.states.flatMap((from) =>
  orderStatusMachine.allowed(from).map((to) => `${from} > ${to}`),
);

export const JOURNAL_CHECKS: readonly Check[] = [
  {
    name: 'journal/versions',
    holds: 'Every version of every order has exactly one row.',
    sql: `
      WITH entries AS (
        SELECT entity_id, count(*) AS rows, count(DISTINCT version) AS versions, min(version) AS first,
          max(version) AS last
        FROM journal WHERE entity_type = 'order' GROUP BY entity_id)
      SELECT format('order %s is at version %s and has %s rows for %s versions from %s to %s', ${shown('id')},
        orders.version, coalesce(rows, 0), coalesce(versions, 0), coalesce(first, 0), coalesce(last, 0)) AS discrepancy
      FROM orders LEFT JOIN entries ON entity_id = ${shown('id')}
      WHERE (rows, versions, first, last) IS DISTINCT FROM (orders.version, orders.version, 1, orders.version)`,
  },
  {
    name: 'journal/last-status',
    holds: 'The last row of an order names the status it has.',
    sql: `
      SELECT format('order %s is %s, its journal ends with %s', ${shown('id')}, status,
        coalesce(last ->> 'status', 'nothing')) AS discrepancy
      FROM orders LEFT JOIN (
        SELECT DISTINCT ON (entity_id) entity_id, data -> 'after' AS last
        FROM journal WHERE entity_type = 'order' ORDER BY entity_id, version DESC) AS entry
        ON entity_id = ${shown('id')}
      WHERE last ->> 'status' IS DISTINCT FROM status`,
  },
  {
    name: 'journal/edges',
    holds:
      'An order begins as the state machine says, and each of its rows continues the one before along an edge.',
    sql: `
      WITH steps AS (
        SELECT entity_id, version, type, data -> 'before' ->> 'status' AS before, data -> 'after' ->> 'status' AS after,
          lag(data -> 'after' ->> 'status') OVER (PARTITION BY entity_id ORDER BY version) AS previous
        FROM journal WHERE entity_type = 'order')
      SELECT CASE
        WHEN version = 1 THEN format('order %s begins with %s as %s', entity_id, type, coalesce(after, '(nothing)'))
        WHEN before IS DISTINCT FROM previous THEN format('version %s of order %s starts from %s, the one before ended as %s',
          version, entity_id, coalesce(before, '(nothing)'), coalesce(previous, '(nothing)'))
        ELSE format('version %s of order %s goes from %s to %s', version, entity_id, before, coalesce(after, '(nothing)'))
        END AS discrepancy
      FROM steps
      WHERE CASE WHEN version = 1 THEN (type, after) IS DISTINCT FROM ('order.placed', $1::text)
        ELSE before IS DISTINCT FROM previous OR before || ' > ' || after = ANY($2::text[]) IS NOT TRUE END`,
    values: () => [orderStatusMachine.initial, EDGES],
  },
  {
    name: 'journal/orders-exist',
    holds: 'Every row about an order is about one that exists, at a version it has reached.',
    sql: `
      SELECT CASE WHEN orders.id IS NULL
        THEN format('row %s (%s): there is no order %s', position, type, entity_id)
        ELSE format('row %s (%s) is for version %s of order %s, which is at %s', position, type,
          coalesce(journal.version::text, '(none)'), entity_id, orders.version) END AS discrepancy
      FROM journal LEFT JOIN orders ON ${shown('orders.id')} = entity_id
      WHERE entity_type = 'order' AND (journal.version BETWEEN 1 AND orders.version) IS NOT TRUE`,
  },
];
