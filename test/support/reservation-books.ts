import type { TestDatabase } from './database.js';

/** What must hold of stock and reservations at any moment, each as the rows that contradict it, in words. */
const CONTRADICTIONS = [
  `WITH held AS (
     SELECT product_id, warehouse_id, sum(quantity) AS held FROM stock_holds GROUP BY product_id, warehouse_id),
   ordered AS (
     SELECT line.product_id, allocation.warehouse_id, sum(allocation.quantity) AS ordered
     FROM orders placed JOIN order_lines line ON line.order_id = placed.id
     JOIN order_allocations allocation ON allocation.order_id = line.order_id AND allocation.line_no = line.line_no
     WHERE placed.status IN ('pending', 'processing', 'confirmed')
     GROUP BY line.product_id, allocation.warehouse_id)
   SELECT format('product %s in %s: %s on hand, %s reserved, holds of %s, %s allocated, orders of %s', product_id,
     warehouse_id, on_hand, reserved, coalesce(held, 0), allocated, coalesce(ordered, 0))
   FROM stock_levels FULL JOIN held USING (product_id, warehouse_id) FULL JOIN ordered USING (product_id, warehouse_id)
   WHERE reserved IS DISTINCT FROM coalesce(held, 0) OR allocated IS DISTINCT FROM coalesce(ordered, 0)
     OR reserved + allocated > on_hand`,

  // Overdue ones may have lost theirs to whoever ran short.
  `WITH promised AS (
     SELECT id, (line->>'productId')::int AS product_id, (allocation->>'warehouseId')::int AS warehouse_id,
       sum((allocation->>'quantity')::int) AS quantity
     FROM reservations, jsonb_array_elements(lines) AS line, jsonb_array_elements(line->'allocations') AS allocation
     WHERE status = 'active' AND expires_at > business_now() GROUP BY 1, 2, 3),
   held AS (
     SELECT reservation_id AS id, product_id, warehouse_id, quantity AS held FROM stock_holds hold
     WHERE expires_at > business_now())
   SELECT format('reservation %s promises %s of product %s in %s, and holds %s', id, quantity, product_id,
     warehouse_id, held)
   FROM promised FULL JOIN held USING (id, product_id, warehouse_id) WHERE quantity IS DISTINCT FROM held`,

  `SELECT format('reservation %s is %s and still holds %s', id, coalesce(status, 'unknown'), quantity)
   FROM stock_holds hold LEFT JOIN reservations ON id = reservation_id
   WHERE status IS DISTINCT FROM 'active' OR hold.expires_at <> reservations.expires_at`,

  `WITH told AS (
     SELECT entity_id::uuid AS id, count(*) AS changes,
       array_agg(split_part(type, '.', 2)) FILTER (WHERE type NOT IN ('reservation.created', 'reservation.extended')) AS ends
     FROM journal WHERE entity_type = 'reservation' GROUP BY entity_id)
   SELECT format('reservation %s is %s at version %s; journaled %s changes, ends: %s', id, status, version, changes, ends)
   FROM reservations FULL JOIN told USING (id)
   WHERE version IS DISTINCT FROM changes
     OR ends IS DISTINCT FROM CASE WHEN status <> 'active' THEN ARRAY[status] END`,

  `SELECT format('reservation %s was consumed by %s; orders for it: %s', reservation.id, order_id, number)
   FROM (SELECT id, order_id FROM reservations WHERE status = 'consumed') AS reservation
   FULL JOIN (
     SELECT reservation_id, (id / 10000000000) || '-' || lpad((id % 10000000000)::text, 5, '0') AS number
     FROM orders WHERE reservation_id IS NOT NULL) AS placed ON reservation_id = reservation.id
   WHERE order_id IS DISTINCT FROM number`,
] as const;

/** Checks that stock, holds, reservations, orders and journal tell the same story; overdue holds may be around. */
export async function expectReservationsAddUp(database: TestDatabase): Promise<void> {
  const found = await Promise.all(CONTRADICTIONS.map((text) => database.query<{ format: string }>(text)));
  expect(found.flat().map(({ format }) => format)).toEqual([]);
}
