import type { OrderStatus } from './order-status.js';
import type { OrderPriority } from './order.entity.js';

export const ORDER_SORTS = ['newest', 'oldest', 'highest', 'lowest'] as const;
/** By number, or by total and then by number. None of it ever changes, so an order keeps its place while pages are read. */
export type OrderSort = (typeof ORDER_SORTS)[number];

/** Which orders; null and an empty list: any. All of it together is what a cursor is made for. */
export interface OrderFilters {
  /** The customer who asks; null: an operator, who sees everybody's. */
  readonly owner: string | null;
  readonly customerId: string | null;
  readonly statuses: readonly OrderStatus[];
  readonly priority: OrderPriority | null;
  /** Half open, like the range of times everywhere. */
  readonly placedFrom: Date | null;
  readonly placedTo: Date | null;
  /** Both included. */
  readonly minTotalCents: number | null;
  readonly maxTotalCents: number | null;
  readonly sku: string | null;
  readonly clientOrderId: string | null;
}
