import { Inject, Injectable, Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';

import { CONFIG, type DaybookConfig, type JobRun, type RunsJob, ScheduledJob } from '@daybook/platform';

import { brokenOnes, examine } from './examine.js';
import { RESERVATION_CHECKS } from './reservation-checks.js';
import { STOCK_CHECKS } from './stock-checks.js';

/** Looks every day, so that a difference is known before a customer meets it. Corrects nothing: a person decides that. */
@Injectable()
@ScheduledJob({
  name: 'reconcile-stock',
  cron: '40 4 * * *',
  // It adds up the whole book in one snapshot: some seconds per million orders.
  leaseSeconds: 1_800,
  description: 'Compares stock with the claims on it and reports differences: its rows are discrepancies.',
})
export class ReconcileStock implements RunsJob {
  private readonly logger = new Logger('ReconcileStock');

  constructor(
    @Inject(DataSource) private readonly database: DataSource,
    @Inject(CONFIG) private readonly config: DaybookConfig,
  ) {}

  async run(run: JobRun): Promise<void> {
    const { businessTimezone } = this.config;
    const checks = [...STOCK_CHECKS, ...RESERVATION_CHECKS];
    const found = brokenOnes(
      await examine(this.database, { businessTimezone }, { checks, signal: run.signal }),
    );
    for (const { check, discrepancies, examples, remedy } of found)
      this.logger.warn({ check, discrepancies, examples, remedy, message: 'Stock is not what it should be' });
    await run.batch(async () => found.reduce((sum, { discrepancies }) => sum + discrepancies, 0));
  }
}
