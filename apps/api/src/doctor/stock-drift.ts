import type { EntityManager } from 'typeorm';

import type { StockDrift } from '@daybook/inventory';
import { CLAIMING_STATUSES } from '@daybook/orders';

import { PLACE } from './check.js';

/** SQL for what open orders claim of each product in each warehouse; `$1` is {@link CLAIMING_STATUSES}. */
export const CLAIMED = `
  SELECT line.product_id, allocation.warehouse_id, sum(allocation.quantity) AS quantity
  FROM orders placed
  JOIN order_lines line ON line.order_id = placed.id
  JOIN order_allocations allocation ON allocation.order_id = line.order_id AND allocation.line_no = line.line_no
  WHERE placed.status = ANY($1::text[])
  GROUP BY line.product_id, allocation.warehouse_id`;

/** SQL for what reservations hold of each. */
export const HELD = `
  SELECT product_id, warehouse_id, sum(quantity) AS quantity FROM stock_holds GROUP BY product_id, warehouse_id`;

/** SQL for what the movements of each come to. */
export const MOVED = `
  SELECT product_id, warehouse_id, sum(quantity_delta) AS quantity FROM stock_movements
  GROUP BY product_id, warehouse_id`;

const DRIFTS = `
  WITH claimed AS (${CLAIMED}), held AS (${HELD}), moved AS (${MOVED}),
  orphaned AS (
    SELECT DISTINCT product_id, warehouse_id, true AS has_orphans
    FROM stock_holds LEFT JOIN reservations ON reservations.id = reservation_id
    WHERE status IS DISTINCT FROM 'active'),
  differences AS (
    SELECT product_id, warehouse_id, has_orphans,
      coalesce(held.quantity, 0) - coalesce(reserved, 0) AS reserved_delta,
      coalesce(claimed.quantity, 0) - coalesce(allocated, 0) AS allocated_delta,
      coalesce(on_hand, 0) - coalesce(moved.quantity, 0) AS moved_delta
    FROM stock_levels FULL JOIN claimed USING (product_id, warehouse_id) FULL JOIN held USING (product_id, warehouse_id)
    FULL JOIN moved USING (product_id, warehouse_id) LEFT JOIN orphaned USING (product_id, warehouse_id))
  SELECT ${PLACE} AS place, product_id AS "productId", warehouse_id AS "warehouseId", reserved_delta::float8 AS "reservedDelta",
    allocated_delta::float8 AS "allocatedDelta", moved_delta::float8 AS "movedDelta"
  FROM differences
  WHERE (has_orphans OR (reserved_delta, allocated_delta, moved_delta) <> (0, 0, 0))
    AND (product_id, warehouse_id) > ($2::int, $3::int)
  ORDER BY product_id, warehouse_id LIMIT $4`;

/** A difference, and where it is, in words. */
export interface FoundDrift extends StockDrift {
  readonly place: string;
}

/** The levels behind the given one that differ from what stands behind them, or are held by what must hold nothing. */
export async function findStockDrift(
  after: Pick<StockDrift, 'productId' | 'warehouseId'>,
  limit: number,
  manager: EntityManager,
): Promise<FoundDrift[]> {
  const values = [CLAIMING_STATUSES, after.productId, after.warehouseId, limit];
  return (await manager.query(DRIFTS, values)) as FoundDrift[];
}
