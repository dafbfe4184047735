import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { DataSource } from 'typeorm';

import { CONFIG, type DaybookConfig, type JobRun, type RunsJob, ScheduledJob } from '@daybook/platform';

import { IdGenerator } from './id-generator.js';

const DAYS_AHEAD = 3;

/** Makes the coming days' counters ahead of time, so that the first order of a day does not have to. */
@Injectable()
@ScheduledJob({
  name: 'prepare-order-numbers',
  cron: '5 * * * *',
  leaseSeconds: 60,
  description: `Makes the number counters of today and the ${DAYS_AHEAD} days ahead.`,
})
export class NumberPreparation implements OnApplicationBootstrap, RunsJob {
  constructor(
    private readonly generator: IdGenerator,
    @Inject(DataSource) private readonly database: DataSource,
    @Inject(CONFIG) private readonly config: DaybookConfig,
  ) {}

  /** At start, in every process: a change of strategy or a restore must be noticed before the first order. */
  async onApplicationBootstrap(): Promise<void> {
    await this.prepareComingDays();
  }

  async run({ signal }: JobRun): Promise<void> {
    await this.prepareComingDays(signal);
  }

  /** A counter that is there already is left as it is, so this may be done twice, or by two at once. */
  private async prepareComingDays(signal?: AbortSignal): Promise<void> {
    const days = (await this.database.query(
      `SELECT to_char((business_now() AT TIME ZONE $1)::date + ahead, 'YYYYMMDD') AS day
       FROM generate_series(0, $2::int) AS ahead`,
      [this.config.businessTimezone, DAYS_AHEAD],
    )) as { day: string }[];
    for (const series of this.generator.series) {
      for (const { day } of days) {
        signal?.throwIfAborted();
        await this.generator.prepare(series, day);
      }
    }
  }
}
