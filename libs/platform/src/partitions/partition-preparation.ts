import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';

import type { JobRun } from '../jobs/job-run.js';
import { type RunsJob, ScheduledJob } from '../jobs/scheduled-job.js';
import { PartitionStore } from './partition-store.js';

const MONTHS = [0, 1, 2];

/**
 * Makes the partitions of this month and the coming ones ahead of time, so that the first order of a month does not
 * have to (see `inTransaction`).
 */
@Injectable()
@ScheduledJob({
  name: 'prepare-partitions',
  cron: '20 2 * * *',
  leaseSeconds: 60,
  description: 'Makes the partitions of this month and the next two.',
})
export class PartitionPreparation implements OnApplicationBootstrap, RunsJob {
  constructor(
    @Inject(DataSource) private readonly database: DataSource,
    private readonly partitions: PartitionStore,
  ) {}

  /** At start, in every process: the first order after the installation, or after a long stop, finds its month. */
  async onApplicationBootstrap(): Promise<void> {
    await this.prepare(this.database.manager);
  }

  async run(run: JobRun): Promise<void> {
    await run.batch((manager) => this.prepare(manager));
  }

  private async prepare(manager: EntityManager): Promise<number> {
    return this.partitions.make(await this.partitions.monthsFromNow(...MONTHS), manager);
  }
}
