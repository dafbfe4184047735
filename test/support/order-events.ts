import {
  type Attempt,
  type Order,
  type OrderId,
  type OrderPriority,
  OrderPlaced,
  type OrderStatus,
  OrderStatusChanged,
} from '@daybook/orders';

const ORIGIN = { actor: 'alice', requestId: 'request-1' };

interface Circumstances {
  readonly priority?: OrderPriority;
  readonly attempt?: Attempt;
}

/** The event of an order that was placed at this time, and never stored. */
export function placed(at: Date, { priority = 'normal' }: Circumstances = {}): OrderPlaced {
  return new OrderPlaced(orderAt(at, 'pending', priority), ORIGIN);
}

/** The event of an order's move at this time. */
export function moved(
  at: Date,
  from: OrderStatus,
  to: OrderStatus,
  { priority = 'normal', attempt }: Circumstances = {},
): OrderStatusChanged {
  return new OrderStatusChanged(orderAt(at, to, priority), from, ORIGIN, { attempt });
}

/** The event of an attempt that ended well after so long. */
export function confirmed(at: Date, durationMs: number, priority: OrderPriority = 'normal') {
  const attempt = { number: 1, outcome: 'confirmed', durationMs } as const;
  return moved(at, 'processing', 'confirmed', { priority, attempt });
}

function orderAt(at: Date, status: OrderStatus, priority: OrderPriority): Order {
  return {
    id: `${at.toISOString().slice(0, 10).replaceAll('-', '')}-00001` as OrderId,
    customerId: 'alice',
    clientOrderId: null,
    status,
    priority,
    currency: 'USD',
    totalCents: 100,
    processingTimeMs: null,
    reservationId: null,
    placedAt: at,
    updatedAt: at,
    version: 1,
    lines: [],
  };
}
