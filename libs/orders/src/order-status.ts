import { StateMachine } from '@daybook/platform';

export const ORDER_STATUSES = [
  'pending',
  'processing',
  'confirmed',
  'shipped',
  'delivered',
  'cancelled',
  'failed',
] as const;
export type OrderStatus = (typeof ORDER_STATUSES)[number];

/** The life of an order. `processing -> pending` is a retry, `failed -> pending` a redrive that allocates stock anew. */
export const orderStatusMachine = new StateMachine<OrderStatus>({
  name: 'order',
  initial: 'pending',
  transitions: {
    pending: ['processing', 'cancelled'],
    processing: ['confirmed', 'failed', 'pending'],
    confirmed: ['shipped', 'cancelled'],
    shipped: ['delivered'],
    delivered: [],
    cancelled: [],
    failed: ['pending'],
  },
  final: ['delivered', 'cancelled'],
});

/** Orders in these states have a claim on the stock allocated to them. */
export const CLAIMING_STATUSES: readonly OrderStatus[] = ['pending', 'processing', 'confirmed'];

/** What a move does to the order's stock. */
export type StockEffect = 'none' | 'give-back' | 'ship' | 'allocate-again';

export function stockEffect(from: OrderStatus, to: OrderStatus): StockEffect {
  if (to === 'shipped') return 'ship';
  if (to === 'cancelled' || to === 'failed') return 'give-back';
  return from === 'failed' ? 'allocate-again' : 'none';
}
