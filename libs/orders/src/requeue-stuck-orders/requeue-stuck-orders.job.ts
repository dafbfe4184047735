import { Inject, Logger } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { DataSource } from 'typeorm';

import { fromStoredNumber } from '@daybook/id-generator';
import {
  CONFIG,
  type DaybookConfig,
  DomainError,
  type JobRun,
  Overloaded,
  type RunsJob,
  ScheduledJob,
} from '@daybook/platform';

import { ChangeOrderStatus } from '../change-order-status/change-order-status.command.js';

const BATCH_SIZE = 100;

// The longest stuck first; served by the index orders_in_processing.
const STUCK = `
  SELECT id::text AS stored, version FROM orders
  WHERE status = 'processing' AND updated_at < (SELECT business_now()) - make_interval(secs => $1)
  ORDER BY updated_at LIMIT ${BATCH_SIZE}`;

interface StuckOrder {
  readonly stored: string;
  readonly version: number;
}

/**
 * Nobody works on an order for this long: whoever had it is gone. It goes back to be worked on again, or fails, as
 * configured. Each move depends on the version that was seen, so that one which gets on after all is left alone.
 */
@ScheduledJob({
  name: 'requeue-stuck-orders',
  cron: '* * * * *',
  leaseSeconds: 60,
  description: 'Requeues or fails orders that have been processing for too long (ORDER_STUCK_AFTER_SECONDS).',
})
export class RequeueStuckOrders implements RunsJob {
  private readonly logger = new Logger('RequeueStuckOrders');

  constructor(
    private readonly commands: CommandBus,
    @Inject(DataSource) private readonly database: DataSource,
    @Inject(CONFIG) private readonly config: DaybookConfig,
  ) {}

  async run(run: JobRun): Promise<void> {
    await run.repeat(async () => {
      const stuck = (await this.database.query(STUCK, [this.config.orderStuckAfterSeconds])) as StuckOrder[];
      const moved = await Promise.all(stuck.map((order) => this.move(order, run)));
      const count = moved.filter(Boolean).length;
      if (count > 0) await run.batch(async () => count);
      return count;
    });
  }

  private async move({ stored, version }: StuckOrder, run: JobRun): Promise<boolean> {
    const input = {
      status: this.config.orderStuckAction === 'fail' ? ('failed' as const) : ('pending' as const),
      reason: `Processing for more than ${this.config.orderStuckAfterSeconds} seconds`,
    };
    const orderId = fromStoredNumber(stored);
    try {
      await this.commands.execute(new ChangeOrderStatus(orderId, input, run.context, version));
      return true;
    } catch (error) {
      // It moved on meanwhile. Anything that is not about this order ends the run, and the next one goes on.
      if (!(error instanceof DomainError) || error instanceof Overloaded) throw error;
      this.logger.log({ orderId, message: `A stuck order was left alone: ${error.message}` });
      return false;
    }
  }
}
