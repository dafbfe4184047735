import type { Order, OrderId } from '@daybook/orders';

/** An order of two lines that a worker has just claimed. */
export function processingOrder(changes: Partial<Order> = {}): Order {
  return {
    id: '20261120-00001' as OrderId,
    customerId: 'customer-7',
    clientOrderId: null,
    status: 'processing',
    priority: 'normal',
    currency: 'USD',
    totalCents: 2_500,
    processingTimeMs: 0,
    reservationId: null,
    placedAt: new Date('2026-11-20T09:30:00.000Z'),
    updatedAt: new Date('2026-11-20T09:30:01.000Z'),
    version: 2,
    lines: [
      {
        productId: 1,
        sku: 'TEA-EARL-GREY',
        name: 'Earl Grey, 100 g',
        quantity: 1,
        unitPriceCents: 1_250,
        allocations: [{ warehouseId: 1, warehouse: 'main', quantity: 1 }],
      },
      {
        productId: 2,
        sku: 'TEA-SENCHA',
        name: 'Sencha, 100 g',
        quantity: 1,
        unitPriceCents: 1_250,
        allocations: [{ warehouseId: 1, warehouse: 'main', quantity: 1 }],
      },
    ],
    ...changes,
  };
}

/** As many orders, each with a number of its own. */
export function processingOrders(count: number): Order[] {
  return Array.from({ length: count }, (_, index) =>
    processingOrder({ id: `20261120-${String(index + 1).padStart(5, '0')}` as OrderId }),
  );
}
