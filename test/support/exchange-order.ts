import type { ExchangeOrder, ExchangeOrderId } from '@daybook/exchange';

/** A market order that is about to be placed. */
export function exchangeOrder(changes: Partial<ExchangeOrder> = {}): ExchangeOrder {
  return {
    id: 'X20261121-00001' as ExchangeOrderId,
    customerId: 'customer-7',
    clientOrderId: null,
    venue: 'XSIM',
    instrument: 'DE0007164600',
    side: 'buy',
    type: 'market',
    quantity: 100,
    limitPriceCents: null,
    status: 'pending',
    reason: null,
    cumQuantity: 0,
    tradedCents: 0n,
    placedAt: new Date('2026-11-21T09:30:00.000Z'),
    updatedAt: new Date('2026-11-21T09:30:00.000Z'),
    version: 1,
    ...changes,
  };
}

/** As many orders, each with a number of its own. */
export function exchangeOrders(count: number, changes: Partial<ExchangeOrder> = {}): ExchangeOrder[] {
  return Array.from({ length: count }, (_, index) =>
    exchangeOrder({ ...changes, id: `X20261121-${String(index + 1).padStart(5, '0')}` as ExchangeOrderId }),
  );
}
