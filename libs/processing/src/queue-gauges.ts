import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';

import { DatabaseGauges, type GaugeReading, type ReadsGauges } from '@daybook/platform';

import { DEAD_ORDERS_QUEUE, ORDERS_QUEUE } from './queue-names.js';

const DEAD = {
  name: 'daybook_queue_dead',
  help: 'How many orders failed and were not started afresh; counted up to 100,000.',
};
const PAUSED = {
  name: 'daybook_queue_paused',
  help: '1 while no order is started because somebody has paused the queue, else 0.',
};

const READ = `
  SELECT (paused_at IS NOT NULL)::int AS paused,
    (SELECT count(*)::int FROM (SELECT FROM pgboss.job WHERE name = '${DEAD_ORDERS_QUEUE}' LIMIT 100000) AS dead) AS dead
  FROM order_queues WHERE name = '${ORDERS_QUEUE}'`;

/** What waits and what is under way is told by the orders themselves (`daybook_queue_length`, `daybook_orders`). */
@Injectable()
@DatabaseGauges(DEAD, PAUSED)
export class QueueGauges implements ReadsGauges {
  constructor(@Inject(DataSource) private readonly database: DataSource) {}

  async read(): Promise<readonly GaugeReading[]> {
    const [row] = (await this.database.query(READ)) as [{ paused: number; dead: number }];
    return [
      { gauge: DEAD, value: row.dead },
      { gauge: PAUSED, value: row.paused },
    ];
  }
}
