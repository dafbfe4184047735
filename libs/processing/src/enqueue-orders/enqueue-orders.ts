import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import { type OrderId, OrderPlaced, OrderStatusChanged } from '@daybook/orders';
import { type HandlesInTransaction, InTransactionHandler } from '@daybook/platform';

import { OrderQueue } from '../order-queue.js';

/**
 * Keeps the queue in step with the orders, in the transaction in which they change: an order that is pending has a job,
 * and one that somebody takes out of the workers' hands has none. Moves by a worker tell of its attempt; their jobs it
 * settles itself.
 */
@Injectable()
@InTransactionHandler(OrderPlaced, OrderStatusChanged)
export class EnqueueOrders implements HandlesInTransaction {
  constructor(private readonly queue: OrderQueue) {}

  async handle(events: readonly (OrderPlaced | OrderStatusChanged)[], manager: EntityManager): Promise<void> {
    // An order may have moved more than once in this transaction: what it has come to counts.
    const latest = [
      ...new Map(events.filter(concernsQueue).map((event) => [event.entityId, event])).values(),
    ];
    const known = latest.filter((event) => event instanceof OrderStatusChanged).map(orderIdOf);
    const pending = latest.filter(({ data }) => data.after.status === 'pending');
    // One behind the other: a job that is still there would keep the new one of its order out.
    await this.queue.withdraw(known, manager);
    await this.queue.enqueue(
      pending.map((event) => ({
        id: orderIdOf(event),
        priority: event.priority,
        trace: event.origin.trace,
      })),
      manager,
    );
  }
}

function concernsQueue(event: OrderPlaced | OrderStatusChanged): boolean {
  if (event instanceof OrderPlaced) return true;
  const { before, attempt } = event.data;
  return attempt === undefined && ['pending', 'processing', 'failed'].includes(before.status);
}

function orderIdOf({ entityId }: OrderPlaced | OrderStatusChanged): OrderId {
  return entityId as OrderId;
}
