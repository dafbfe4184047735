import { CLAIMING_STATUSES } from '@daybook/orders';

import { type Check, PLACE } from './check.js';

export const STOCK_CHECKS: readonly Check[] = [
  {
    name: 'stock/never-oversold',
    holds: 'Reserved and allocated are never negative, and together never exceed what is on hand.',
    sql: `
      SELECT format('%s: %s on hand, %s reserved, %s allocated', ${PLACE}, on_hand, reserved, allocated) AS discrepancy
      FROM stock_levels WHERE reserved < 0 OR allocated < 0 OR reserved + allocated > on_hand`,
  },
  {
    name: 'stock/allocated',
    holds: 'Allocated is the sum of what open orders claim.',
    sql: `
      WITH claimed AS (
        SELECT line.product_id, allocation.warehouse_id, sum(allocation.quantity) AS quantity
        FROM orders placed
        JOIN order_lines line ON line.order_id = placed.id
        JOIN order_allocations allocation ON allocation.order_id = line.order_id
          AND allocation.line_no = line.line_no
        WHERE placed.status = ANY($1::text[])
        GROUP BY line.product_id, allocation.warehouse_id)
      SELECT format('%s: %s allocated, open orders claim %s', ${PLACE}, allocated, quantity) AS discrepancy
      FROM (
        SELECT product_id, warehouse_id, coalesce(allocated, 0) AS allocated, coalesce(quantity, 0) AS quantity
        FROM stock_levels FULL JOIN claimed USING (product_id, warehouse_id)) AS level
      WHERE allocated <> quantity`,
    values: () => [CLAIMING_STATUSES],
  },
  {
    name: 'stock/reserved',
    holds: 'Reserved is the sum of what reservations hold.',
    sql: `
      WITH held AS (
        SELECT product_id, warehouse_id, sum(quantity) AS quantity FROM stock_holds GROUP BY product_id, warehouse_id)
      SELECT format('%s: %s reserved, reservations hold %s', ${PLACE}, reserved, quantity) AS discrepancy
      FROM (
        SELECT product_id, warehouse_id, coalesce(reserved, 0) AS reserved, coalesce(quantity, 0) AS quantity
        FROM stock_levels FULL JOIN held USING (product_id, warehouse_id)) AS level
      WHERE reserved <> quantity`,
  },
  {
    name: 'stock/on-hand',
    holds: 'On hand is the sum of all movements.',
    sql: `
      WITH moved AS (
        SELECT product_id, warehouse_id, sum(quantity_delta) AS quantity
        FROM stock_movements GROUP BY product_id, warehouse_id)
      SELECT format('%s: %s on hand, the movements come to %s', ${PLACE}, on_hand, quantity) AS discrepancy
      FROM (
        SELECT product_id, warehouse_id, coalesce(on_hand, 0) AS on_hand, coalesce(quantity, 0) AS quantity
        FROM stock_levels FULL JOIN moved USING (product_id, warehouse_id)) AS level
      WHERE on_hand <> quantity`,
  },
];
