import { Inject, Injectable, Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';

import {
  CONFIG,
  type DaybookConfig,
  isLockTimeout,
  type JobRun,
  type RunsJob,
  ScheduledJob,
} from '@daybook/platform';

import { IdGenerator } from './id-generator.js';

const LOCK_TIMEOUT_MS = 500;

const FIRST_DAY_KEPT = `to_char((business_now() AT TIME ZONE $2)::date - $3::int, 'YYYYMMDD')`;

// By the names of the registered series only: whatever else is in the database is none of ours.
const FIND_SEQUENCES = `
  SELECT class.relname AS name FROM unnest($1::text[]) AS series (name)
  JOIN pg_class class ON class.relname ~ ('^' || series.name || '_number_[0-9]{8}$')
  WHERE class.relkind = 'S' AND pg_table_is_visible(class.oid) AND right(class.relname, 8) < (SELECT ${FIRST_DAY_KEPT})
  ORDER BY right(class.relname, 8), class.relname`;

const DELETE_COUNTERS = `
  DELETE FROM number_counters WHERE series = ANY($1) AND day < (SELECT ${FIRST_DAY_KEPT})::int`;

/**
 * Removes the counters of days long past, of either strategy: nobody takes a number of such a day any more, and should
 * the clock ever be put back so far, a counter is made again behind the highest number that is stored.
 */
@Injectable()
@ScheduledJob({
  name: 'drop-old-order-numbers',
  cron: '20 3 * * *',
  leaseSeconds: 60,
  description: 'Removes the number counters of days older than ORDER_NUMBER_RETENTION_DAYS.',
})
export class OldNumberRemoval implements RunsJob {
  private readonly logger = new Logger('OldNumberRemoval');

  constructor(
    private readonly generator: IdGenerator,
    @Inject(DataSource) private readonly database: DataSource,
    @Inject(CONFIG) private readonly config: DaybookConfig,
  ) {}

  async run(run: JobRun): Promise<void> {
    const { businessTimezone, orderNumberRetentionDays } = this.config;
    const series = this.generator.series.map(({ name }) => name);
    const parameters = [series, businessTimezone, orderNumberRetentionDays];
    await run.batch(async (manager) => {
      const [, rows] = (await manager.query(DELETE_COUNTERS, parameters)) as [unknown, number];
      return rows;
    });
    const sequences = (await this.database.query(FIND_SEQUENCES, parameters)) as { name: string }[];
    for (const { name } of sequences) await this.drop(name, run);
  }

  /** In a transaction of its own, so that no more than one is ever locked. */
  private async drop(name: string, run: JobRun): Promise<void> {
    try {
      await run.batch(async (manager) => {
        await manager.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
        await manager.query(`DROP SEQUENCE IF EXISTS "${name}"`);
        return 1;
      });
    } catch (error) {
      if (!isLockTimeout(error)) throw error;
      // Whoever reads it, a backup perhaps, is not to be disturbed. It goes tomorrow.
      this.logger.warn(`${name} is in use, and stays for now`);
    }
  }
}
