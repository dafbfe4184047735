import { CLAIMING_STATUSES } from '@daybook/orders';

import { type Check, COUNT_AND_ADJUST, PLACE } from './check.js';
import { CLAIMED, HELD, MOVED } from './stock-drift.js';

export const STOCK_CHECKS: readonly Check[] = [
  {
    name: 'stock/never-oversold',
    holds: 'Reserved and allocated are never negative, and together never exceed what is on hand.',
    remedy: `The constraints of stock_levels are gone: put them back. ${COUNT_AND_ADJUST}`,
    sql: `
      SELECT format('%s: %s on hand, %s reserved, %s allocated', ${PLACE}, on_hand, reserved, allocated) AS discrepancy
      FROM stock_levels WHERE reserved < 0 OR allocated < 0 OR reserved + allocated > on_hand`,
  },
  {
    name: 'stock/allocated',
    holds: 'Allocated is the sum of what open orders claim.',
    isFixable: true,
    remedy: COUNT_AND_ADJUST,
    sql: `
      WITH claimed AS (${CLAIMED})
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
    isFixable: true,
    remedy: COUNT_AND_ADJUST,
    sql: `
      WITH held AS (${HELD})
      SELECT format('%s: %s reserved, reservations hold %s', ${PLACE}, reserved, quantity) AS discrepancy
      FROM (
        SELECT product_id, warehouse_id, coalesce(reserved, 0) AS reserved, coalesce(quantity, 0) AS quantity
        FROM stock_levels FULL JOIN held USING (product_id, warehouse_id)) AS level
      WHERE reserved <> quantity`,
  },
  {
    name: 'stock/on-hand',
    holds: 'On hand is the sum of all movements.',
    isFixable: true,
    remedy: COUNT_AND_ADJUST,
    sql: `
      WITH moved AS (${MOVED})
      SELECT format('%s: %s on hand, the movements come to %s', ${PLACE}, on_hand, quantity) AS discrepancy
      FROM (
        SELECT product_id, warehouse_id, coalesce(on_hand, 0) AS on_hand, coalesce(quantity, 0) AS quantity
        FROM stock_levels FULL JOIN moved USING (product_id, warehouse_id)) AS level
      WHERE on_hand <> quantity`,
  },
];
