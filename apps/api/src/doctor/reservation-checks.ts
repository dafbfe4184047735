import { type Check, COUNT_AND_ADJUST, isDetached, PLACE, shown, shownTime } from './check.js';

// Reservations that ended are deleted after a while; the journal goes on telling what became of them.
const CONSUMED = `
  SELECT id::text, order_id FROM reservations WHERE status = 'consumed'
  UNION
  SELECT entity_id, data -> 'after' ->> 'orderId' FROM journal WHERE type = 'reservation.consumed'`;

export const RESERVATION_CHECKS: readonly Check[] = [
  {
    name: 'reservations/lines-add-up',
    holds: 'The warehouses of a line of a reservation add up to its quantity.',
    remedy: 'Somebody changed it by hand: release it, and reserve again.',
    sql: `
      SELECT format('line %s of reservation %s: %s reserved, %s allocated', line_no, id, line ->> 'quantity', allocated)
        AS discrepancy
      FROM reservations, LATERAL jsonb_path_query(lines, '$[*]') WITH ORDINALITY AS ordered (line, line_no),
        LATERAL (
          SELECT coalesce(sum((allocation ->> 'quantity')::bigint), 0) AS allocated
          FROM jsonb_path_query(line, '$.allocations[*]') AS allocation) AS allocations
      WHERE (line ->> 'quantity')::bigint IS DISTINCT FROM allocated`,
  },
  {
    name: 'reservations/holds-belong',
    holds: 'Only active reservations hold stock.',
    isFixable: true,
    remedy: COUNT_AND_ADJUST,
    sql: `
      SELECT format('reservation %s holds %s of %s: %s', reservation_id, quantity, ${PLACE},
        coalesce('it is ' || status, 'there is no such reservation')) AS discrepancy
      FROM stock_holds LEFT JOIN reservations ON reservations.id = reservation_id
      WHERE status IS DISTINCT FROM 'active'`,
  },
  {
    name: 'reservations/holds-complete',
    // Whoever is short of a product ends overdue holds on it, each as a whole, and leaves their reservations alone.
    holds:
      'An active reservation holds what its lines say; one that is overdue may have lost some of its holds.',
    remedy:
      'It promises more than it holds, and cannot become an order; it ends by itself at its deadline. Reserve again.',
    sql: `
      WITH promised AS (
        SELECT id AS reservation_id, (line ->> 'productId')::int AS product_id,
          (allocation ->> 'warehouseId')::int AS warehouse_id, sum((allocation ->> 'quantity')::bigint) AS quantity
        FROM reservations, LATERAL jsonb_path_query(lines, '$[*]') AS line,
          LATERAL jsonb_path_query(line, '$.allocations[*]') AS allocation
        WHERE status = 'active' GROUP BY 1, 2, 3),
      held AS (
        SELECT reservation_id, product_id, warehouse_id, quantity FROM stock_holds)
      SELECT format('reservation %s holds %s of %s, its lines say %s', reservation_id, coalesce(held.quantity, 0), ${PLACE},
        coalesce(promised.quantity, 0)) AS discrepancy
      FROM promised FULL JOIN held USING (reservation_id, product_id, warehouse_id)
      JOIN reservations ON reservations.id = reservation_id
      WHERE status = 'active' AND held.quantity IS DISTINCT FROM promised.quantity
        AND NOT (held.quantity IS NULL AND expires_at <= (SELECT business_now()))`,
  },
  {
    name: 'reservations/deadlines',
    holds: 'What a reservation holds ends when the reservation does.',
    remedy: 'It ends by itself at its deadline, and all it holds with it.',
    sql: `
      SELECT format('reservation %s ends at %s, what it holds of %s at %s', reservation_id,
        ${shownTime('reservations.expires_at')}, ${PLACE}, ${shownTime('hold.expires_at')}) AS discrepancy
      FROM stock_holds hold JOIN reservations ON reservations.id = reservation_id
      WHERE status = 'active' AND hold.expires_at <> reservations.expires_at`,
  },
  {
    name: 'reservations/orders',
    holds: 'A consumed reservation and the order it became name each other.',
    remedy: 'The journal rows `reservation.consumed` and `order.placed` tell which belong together.',
    sql: `
      SELECT CASE
        WHEN placed.id IS NULL THEN format('reservation %s says that it became order %s, which says nothing of it',
          consumed.id, consumed.order_id)
        ELSE format('order %s says that it was reservation %s, which says nothing of it', ${shown('placed.id')},
          placed.reservation_id) END AS discrepancy
      FROM (${CONSUMED}) AS consumed
      FULL JOIN (SELECT id, reservation_id::text FROM orders WHERE reservation_id IS NOT NULL) AS placed
        ON placed.reservation_id = consumed.id AND ${shown('placed.id')} = consumed.order_id
      WHERE placed.id IS NULL AND NOT ${isDetached('left(consumed.order_id, 6)')} OR consumed.id IS NULL`,
  },
  {
    name: 'reservations/one-order',
    holds: 'A reservation becomes one order at most.',
    remedy:
      'One of the orders has stock that the reservation did not hold: have a person decide which one stays.',
    sql: `
      SELECT format('reservation %s became %s orders: %s', reservation_id, count(*),
        string_agg(${shown('id')}, ', ' ORDER BY id)) AS discrepancy
      FROM orders WHERE reservation_id IS NOT NULL GROUP BY reservation_id HAVING count(*) > 1`,
  },
];
