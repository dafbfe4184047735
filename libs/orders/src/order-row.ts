import { fromStoredNumber } from '@daybook/id-generator';

import type { Order } from './order.entity.js';

/** What statements of our own select of an order. */
export const ORDER_COLUMNS = `id::text AS stored, customer_id AS "customerId", client_order_id AS "clientOrderId", status,
  priority, currency, total_cents AS "totalCents", processing_time_ms AS "processingTimeMs",
  reservation_id AS "reservationId", placed_at AS "placedAt", updated_at AS "updatedAt", version`;

/** A row with {@link ORDER_COLUMNS}; what is bigint comes as text. */
export type OrderRow = Omit<Order, 'id' | 'totalCents' | 'lines'> & {
  readonly stored: string;
  readonly totalCents: string;
};

/** The order without its lines. */
export function toOrder({ stored, totalCents, ...row }: OrderRow): Order {
  return { ...row, id: fromStoredNumber(stored), totalCents: Number(totalCents), lines: [] };
}
