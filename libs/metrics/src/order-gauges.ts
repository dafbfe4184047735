import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';

import { ORDER_PRIORITIES, ORDER_STATUSES } from '@daybook/orders';
import { DatabaseGauges, type GaugeReading, type ReadsGauges } from '@daybook/platform';

import { readPopulation, readQueue } from './order-figures.js';

const ORDERS = {
  name: 'daybook_orders',
  help: 'How many orders are in a status, of all that were ever placed.',
  labels: ['status'],
};
const QUEUE_LENGTH = {
  name: 'daybook_queue_length',
  help: 'How many orders wait to be processed.',
  labels: ['priority'],
};
const QUEUE_OLDEST = {
  name: 'daybook_queue_oldest_seconds',
  help: 'How long the order has waited that has waited longest; 0 when none waits.',
  labels: ['priority'],
};

@Injectable()
@DatabaseGauges(ORDERS, QUEUE_LENGTH, QUEUE_OLDEST)
export class OrderGauges implements ReadsGauges {
  constructor(@Inject(DataSource) private readonly database: DataSource) {}

  async read(): Promise<readonly GaugeReading[]> {
    const { manager } = this.database;
    const population = await readPopulation('all', manager);
    const { byPriority } = await readQueue(population, manager);
    return [
      ...ORDER_STATUSES.map((status) => ({
        gauge: ORDERS,
        labels: { status },
        value: ORDER_PRIORITIES.reduce((sum, priority) => sum + population[priority][status], 0),
      })),
      ...ORDER_PRIORITIES.flatMap((priority) => [
        { gauge: QUEUE_LENGTH, labels: { priority }, value: byPriority[priority].queued },
        {
          gauge: QUEUE_OLDEST,
          labels: { priority },
          value: byPriority[priority].oldestQueuedSeconds ?? 0,
        },
      ]),
    ];
  }
}
