import { EventsHandler, type IEventHandler } from '@nestjs/cqrs';

import { OrderPlaced, OrderStatusChanged } from '@daybook/orders';

import { OrderWorker } from './order-worker.js';

/** After the commit: what this process has made pending, its own workers need not wait to see. */
@EventsHandler(OrderPlaced, OrderStatusChanged)
export class WakeWorkers implements IEventHandler<OrderPlaced | OrderStatusChanged> {
  constructor(private readonly worker: OrderWorker) {}

  handle({ data }: OrderPlaced | OrderStatusChanged): void {
    if (data.after.status === 'pending') this.worker.poke();
  }
}
