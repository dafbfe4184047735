import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { EntityManager } from 'typeorm';

import { fromStoredNumber } from '@daybook/id-generator';
import type { OrderId, OrderPriority } from '@daybook/orders';
import { WritePath } from '@daybook/platform';

import { OrderQueue } from '../order-queue.js';
import { type QueueName, QUEUES } from '../queue-names.js';
import { ORDERS_WITHOUT_JOB, SURPLUS_JOBS_OF_ORDERS } from './queue-drift.js';

/** What was made right. */
export interface CorrectedQueues {
  /** Pending orders that have a job now. */
  readonly enqueued: readonly OrderId[];
  /** Orders that a queue has no job of any more. */
  readonly removed: readonly { readonly orderId: OrderId; readonly queue: QueueName }[];
}

/**
 * Makes the queues what the orders say, while everybody else goes on.
 * @param find finds a bounded number of orders, by their stored numbers, that have no job or one that does not fit
 */
export class CorrectQueues extends Command<CorrectedQueues> {
  constructor(readonly find: (manager: EntityManager) => Promise<readonly string[]>) {
    super();
  }
}

// Whoever moves an order has it locked; so what is found of these from now on stays as it is.
const LOCK = `SELECT FROM orders WHERE id = ANY($1::bigint[]) ORDER BY id FOR NO KEY UPDATE`;

const SURPLUS_OF = `
  SELECT queue, order_id::text AS stored FROM (${SURPLUS_JOBS_OF_ORDERS}) AS surplus ORDER BY order_id`;

const MISSING_OF = `
  SELECT order_id::text AS stored, priority FROM (${ORDERS_WITHOUT_JOB}) AS missing
  WHERE order_id = ANY($1::bigint[]) ORDER BY order_id`;

@CommandHandler(CorrectQueues)
export class CorrectQueuesHandler implements ICommandHandler<CorrectQueues> {
  constructor(
    private readonly writePath: WritePath,
    private readonly queue: OrderQueue,
  ) {}

  /** To find them takes a while where there are many orders, so nothing is locked meanwhile. Then it is looked again. */
  execute({ find }: CorrectQueues): Promise<CorrectedQueues> {
    return this.writePath.change(async (manager) => {
      await manager.query('SET LOCAL statement_timeout = 0; SET LOCAL enable_seqscan = on');
      const found = await find(manager);
      await manager.query('SET LOCAL statement_timeout TO DEFAULT; SET LOCAL enable_seqscan TO DEFAULT');
      await manager.query(LOCK, [found]);
      const removed = await this.remove(found, manager);
      const enqueued = await this.enqueue(found, manager);
      return { result: { enqueued, removed }, events: [] };
    });
  }

  private async remove(
    found: readonly string[],
    manager: EntityManager,
  ): Promise<CorrectedQueues['removed']> {
    const rows = await manager.query<{ queue: QueueName; stored: string }[]>(SURPLUS_OF, [found]);
    const surplus = rows.map(({ queue, stored }) => ({ queue, orderId: fromStoredNumber(stored) }));
    for (const name of QUEUES) {
      const orderIds = surplus.filter(({ queue }) => queue === name).map(({ orderId }) => orderId);
      await this.queue.withdraw(orderIds, manager, [name]);
    }
    return surplus;
  }

  private async enqueue(
    found: readonly string[],
    manager: EntityManager,
  ): Promise<CorrectedQueues['enqueued']> {
    const rows = await manager.query<{ stored: string; priority: OrderPriority }[]>(MISSING_OF, [found]);
    const orders = rows.map(({ stored, priority }) => ({ id: fromStoredNumber(stored), priority }));
    await this.queue.enqueue(orders, manager);
    return orders.map(({ id }) => id);
  }
}
