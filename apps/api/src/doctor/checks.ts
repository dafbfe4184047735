import type { Check } from './check.js';
import { EXCHANGE_CHECKS } from './exchange-checks.js';
import { JOURNAL_CHECKS } from './journal-checks.js';
import { IDEMPOTENCY_CHECKS, ORDER_CHECKS } from './order-checks.js';
import { QUEUE_CHECKS } from './queue-checks.js';
import { RESERVATION_CHECKS } from './reservation-checks.js';
import { STOCK_CHECKS } from './stock-checks.js';

/**
 * Everything that must hold in a database of Daybook at any moment: numbers that are never given twice,
 * orders that add up, stock that is never oversold, reservations that hold what they promise, work that somebody will come to, exchange orders that are filled as reported, a journal that tells all of it, retries that make no second order.
 */
export const CHECKS: readonly Check[] = [
  ...ORDER_CHECKS,
  ...STOCK_CHECKS,
  ...RESERVATION_CHECKS,
  ...QUEUE_CHECKS,
  ...EXCHANGE_CHECKS,
  ...JOURNAL_CHECKS,
  ...IDEMPOTENCY_CHECKS,
];

/** The tables that the checks read. */
export const EXAMINED_TABLES: readonly string[] = [
  'products',
  'warehouses',
  'stock_levels',
  'stock_movements',
  'reservations',
  'stock_holds',
  'orders',
  'order_lines',
  'order_allocations',
  'client_order_ids',
  'exchange_orders',
  'executions',
  'exchange_client_order_ids',
  'order_counts',
  'order_tallies',
  'pgboss.job',
  'journal',
  'idempotency_keys',
];
