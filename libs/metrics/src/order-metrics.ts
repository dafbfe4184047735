import { EventsHandler, type IEventHandler } from '@nestjs/cqrs';
import { Counter, Registry } from 'prom-client';

import { ORDER_PRIORITIES, OrderPlaced, orderStatusMachine, OrderStatusChanged } from '@daybook/orders';

/** Counts what this process has done with orders, once it is committed. */
@EventsHandler(OrderPlaced, OrderStatusChanged)
export class OrderMetrics implements IEventHandler<OrderPlaced | OrderStatusChanged> {
  private readonly placed: Counter;
  private readonly transitions: Counter;

  constructor(registry: Registry) {
    this.placed = new Counter({
      name: 'daybook_orders_placed_total',
      help: 'How many orders this process has placed.',
      labelNames: ['priority'],
      registers: [registry],
    });
    this.transitions = new Counter({
      name: 'daybook_order_transitions_total',
      help: 'How many times this process has moved an order from one status to another.',
      labelNames: ['from', 'to'],
      registers: [registry],
    });
    // A counter that is not there before its first increase hides that increase from rate().
    for (const priority of ORDER_PRIORITIES) this.placed.inc({ priority }, 0);
    for (const from of orderStatusMachine.states)
      for (const to of orderStatusMachine.allowed(from)) this.transitions.inc({ from, to }, 0);
  }

  handle(event: OrderPlaced | OrderStatusChanged): void {
    if (event.type === 'order.placed') this.placed.inc({ priority: event.priority });
    else this.transitions.inc({ from: event.data.before.status, to: event.data.after.status });
  }
}
