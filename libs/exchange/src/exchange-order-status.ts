import { StateMachine } from '@daybook/platform';

export const EXCHANGE_ORDER_STATUSES = [
  'pending',
  'created',
  'partially_filled',
  'filled',
  'cancel_pending',
  'cancelled',
  'rejected',
  'expired',
  'failed',
] as const;
/** FIX OrdStatus in plain words (`pending` is Pending New, `created` New); `failed` never reached the venue. */
export type ExchangeOrderStatus = (typeof EXCHANGE_ORDER_STATUSES)[number];

/**
 * The life of an order at a venue, after the order state matrices of FIX 5.0 SP2 (appendix D). A fill may be heard of before
 * the venue's answer to the placement is, and may win against a wish to cancel.
 */
export const exchangeOrderStatusMachine = new StateMachine<ExchangeOrderStatus>({
  name: 'exchange order',
  initial: 'pending',
  transitions: {
    pending: ['created', 'partially_filled', 'filled', 'cancelled', 'expired', 'rejected', 'failed'],
    created: ['partially_filled', 'filled', 'cancel_pending', 'cancelled', 'expired', 'rejected'],
    partially_filled: ['filled', 'cancel_pending', 'cancelled', 'expired'],
    filled: [],
    cancel_pending: ['created', 'partially_filled', 'filled', 'cancelled', 'expired', 'rejected'],
    cancelled: [],
    rejected: [],
    expired: [],
    failed: [],
  },
  final: ['filled', 'cancelled', 'rejected', 'expired', 'failed'],
});

/** Nothing leaves it: the venue has nothing more to say of such an order. */
export function isFinal(status: ExchangeOrderStatus): boolean {
  return exchangeOrderStatusMachine.allowed(status).length === 0;
}
