import { exchangeOrderStatusMachine } from '@daybook/exchange';
import { reservationStatusMachine } from '@daybook/inventory';
import { orderStatusMachine } from '@daybook/orders';
import type { StateMachine } from '@daybook/platform';

import { type Check, isDetached, shown } from './check.js';
import { shownExchange } from './exchange-checks.js';

/** What has a life of statuses and a version for each change of it, by its name in the journal. */
const ENTITIES = `
  SELECT 'order' AS entity_type, ${shown('id')} AS entity_id, status, version FROM orders
  UNION ALL
  SELECT 'exchange_order', ${shownExchange('id')}, status, version FROM exchange_orders
  UNION ALL
  SELECT 'reservation', id::text, status, version FROM reservations`;

/** Their journal rows. A reservation that is extended stays what it has to be for that. */
const ENTRIES = `
  SELECT position, entity_type, entity_id, version, type,
    CASE type WHEN 'reservation.extended' THEN 'active' ELSE data -> 'before' ->> 'status' END AS before,
    CASE type WHEN 'reservation.extended' THEN 'active' ELSE data -> 'after' ->> 'status' END AS after
  FROM journal WHERE entity_type IN ('order', 'reservation', 'exchange_order')`;

/** SQL for the month, YYYYMM, in which a life began: it stands in an order's id, a reservation's begins with its time. */
const BEGAN = `
  CASE entity_type WHEN 'order' THEN left(entity_id, 6) WHEN 'exchange_order' THEN substr(entity_id, 2, 6)
    ELSE to_char(to_timestamp(('x' || lpad(replace(left(entity_id, 13), '-', ''), 16, '0'))::bit(64)::bigint / 1000.0)
      AT TIME ZONE 'UTC', 'YYYYMM') END`;

/** SQL that is true for a life whose beginning was detached. */
const IS_DETACHED = `
  CASE entity_type WHEN 'exchange_order' THEN ${isDetached(BEGAN, 'exchange_orders')} ELSE ${isDetached(BEGAN)} END`;

/** `order.placed pending`: how a life begins, and `order pending > cancelled`: how it may go on. */
const BEGINNINGS = [
  `order.placed ${orderStatusMachine.initial}`,
  `reservation.created ${reservationStatusMachine.initial}`,
  `exchange_order.placed ${exchangeOrderStatusMachine.initial}`,
];
const EDGES = [
  ...edgesOf('order', orderStatusMachine),
  ...edgesOf('reservation', reservationStatusMachine),
  'reservation active > active',
  ...edgesOf('exchange_order', exchangeOrderStatusMachine),
  // One more fill.
  'exchange_order partially_filled > partially_filled',
  'exchange_order cancel_pending > cancel_pending',
];

const ENDS_OF_RESERVATIONS = reservationStatusMachine.states.filter(
  (status) => reservationStatusMachine.allowed(status).length === 0,
);

export const JOURNAL_CHECKS: readonly Check[] = [
  {
    name: 'journal/versions',
    holds: 'Every version of every order, exchange order and reservation has exactly one row.',
    remedy:
      'A change was made without its row, or a row without its change: compare with a backup. The journal is never rewritten.',
    sql: `
      WITH entries AS (
        SELECT entity_type, entity_id, count(*) AS rows, count(DISTINCT version) AS versions, min(version) AS first,
          max(version) AS last
        FROM (${ENTRIES}) AS entry GROUP BY entity_type, entity_id)
      SELECT format('%s %s is at version %s and has %s rows for %s versions from %s to %s', entity_type, entity_id,
        version, coalesce(rows, 0), coalesce(versions, 0), coalesce(first, 0), coalesce(last, 0)) AS discrepancy
      FROM (${ENTITIES}) AS entity LEFT JOIN entries USING (entity_type, entity_id)
      WHERE (rows, versions, first, last) IS DISTINCT FROM (version, version, 1, version)
        AND NOT ${IS_DETACHED}`,
  },
  {
    name: 'journal/last-status',
    holds: 'The last row of an order or a reservation names the status it has.',
    remedy:
      'Somebody changed the status by hand. Move it where the journal says it is, or by the API to where it should be.',
    sql: `
      SELECT format('%s %s is %s, its journal ends with %s', entity_type, entity_id, status, coalesce(after, 'nothing'))
        AS discrepancy
      FROM (${ENTITIES}) AS entity LEFT JOIN (
        SELECT DISTINCT ON (entity_type, entity_id) entity_type, entity_id, after
        FROM (${ENTRIES}) AS entry ORDER BY entity_type, entity_id, version DESC) AS last
        USING (entity_type, entity_id)
      WHERE after IS DISTINCT FROM status AND NOT (after IS NULL AND ${IS_DETACHED})`,
  },
  {
    name: 'journal/edges',
    holds:
      'A life begins as its state machine says, and each of its rows continues the one before along an edge.',
    remedy:
      'Somebody wrote to the journal or moved the order by hand: find out who did, by actor and request_id.',
    sql: `
      WITH steps AS (
        SELECT *, lag(after) OVER life AS previous,
          -- What was before it was detached, as the order was.
          version > 1 AND lag(version) OVER life IS NULL AND ${IS_DETACHED} AS is_torn_off
        FROM (${ENTRIES}) AS entry
        WINDOW life AS (PARTITION BY entity_type, entity_id ORDER BY version))
      SELECT CASE
        WHEN version = 1
          THEN format('%s %s begins with %s as %s', entity_type, entity_id, type, coalesce(after, '(nothing)'))
        WHEN before IS DISTINCT FROM previous AND NOT is_torn_off
          THEN format('version %s of %s %s starts from %s, the one before ended as %s', version, entity_type, entity_id,
            coalesce(before, '(nothing)'), coalesce(previous, '(nothing)'))
        ELSE format('version %s of %s %s goes from %s to %s', version, entity_type, entity_id, before,
          coalesce(after, '(nothing)')) END AS discrepancy
      FROM steps
      WHERE CASE WHEN version = 1 THEN type || ' ' || after = ANY($1::text[]) IS NOT TRUE
        ELSE before IS DISTINCT FROM previous AND NOT is_torn_off
          OR entity_type || ' ' || before || ' > ' || after = ANY($2::text[]) IS NOT TRUE END`,
    values: () => [BEGINNINGS, EDGES],
  },
  {
    name: 'journal/entities-exist',
    // Reservations that ended are deleted after a while.
    holds:
      'Every row about an order or a reservation is about one that exists, or ended and was deleted, at a version it reached.',
    remedy: 'Restore it from a backup; the rows tell what it was.',
    sql: `
      WITH entries AS (
        SELECT *, last_value(after) OVER (PARTITION BY entity_type, entity_id ORDER BY version
          ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS last
        FROM (${ENTRIES}) AS entry)
      SELECT CASE WHEN entity.version IS NULL
        THEN format('row %s (%s): there is no %s %s', position, type, entity_type, entity_id)
        ELSE format('row %s (%s) is for version %s of %s %s, which is at %s', position, type,
          coalesce(entry.version::text, '(none)'), entity_type, entity_id, entity.version) END AS discrepancy
      FROM entries entry LEFT JOIN (${ENTITIES}) AS entity USING (entity_type, entity_id)
      WHERE (entry.version BETWEEN 1 AND entity.version) IS NOT TRUE
        AND NOT (entity.version IS NULL AND entity_type = 'reservation' AND last = ANY($1::text[]))
        AND NOT (entity.version IS NULL AND ${IS_DETACHED})`,
    values: () => [ENDS_OF_RESERVATIONS],
  },
];

function edgesOf<S extends string>(entity: string, machine: StateMachine<S>): string[] {
  return machine.states.flatMap((from) => machine.allowed(from).map((to) => `${entity} ${from} > ${to}`));
}
