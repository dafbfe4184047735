import { Inject, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { Cron, CronExpression } from '@nestjs/schedule';
import { DataSource } from 'typeorm';

import { CONFIG, type DaybookConfig } from '@daybook/platform';

import { IdGenerator } from './id-generator.js';

const DAYS_AHEAD = 3;

/** Makes the coming days' counters ahead of time, so that the first order of a day does not have to. */
@Injectable()
export class NumberPreparation implements OnApplicationBootstrap {
  private readonly logger = new Logger('NumberPreparation');

  constructor(
    private readonly generator: IdGenerator,
    @Inject(DataSource) private readonly database: DataSource,
    @Inject(CONFIG) private readonly config: DaybookConfig,
  ) {}

  /** At start, in every process: a change of strategy or a restore must be noticed before the first order. */
  async onApplicationBootstrap(): Promise<void> {
    await this.prepareComingDays();
  }

  @Cron(CronExpression.EVERY_HOUR)
  async prepareHourly(): Promise<void> {
    if (!this.config.roles.includes('scheduler')) return;
    try {
      await this.prepareComingDays();
    } catch (error) {
      // Not fatal: the first order of the day makes its counter itself.
      this.logger.error({ err: error, message: 'The coming days have no number counters yet' });
    }
  }

  async prepareComingDays(): Promise<void> {
    const days = (await this.database.query(
      `SELECT to_char((business_now() AT TIME ZONE $1)::date + ahead, 'YYYYMMDD') AS day
       FROM generate_series(0, $2::int) AS ahead`,
      [this.config.businessTimezone, DAYS_AHEAD],
    )) as { day: string }[];
    for (const series of this.generator.series) {
      for (const { day } of days) await this.generator.prepare(series, day);
    }
  }
}
