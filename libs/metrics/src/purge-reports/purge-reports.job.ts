import { Injectable } from '@nestjs/common';

import { type JobRun, type RunsJob, ScheduledJob } from '@daybook/platform';

import { OPEN_INTERVAL } from '../order-totals.js';

const ROWS_AT_ONCE = 5_000;

// The last report stays: the next interval begins where it ended.
const PURGE_REPORTS = `
  DELETE FROM reports WHERE id = ANY(ARRAY(
    SELECT id FROM reports WHERE to_at < (SELECT business_now() - interval '30 days')
      AND id < (SELECT max(id) FROM reports)
    ORDER BY id LIMIT $1))`;

const purgeDays = (table: string) => `
  DELETE FROM ${table} WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM ${table} WHERE period <> '${OPEN_INTERVAL}'
      AND period < (SELECT (business_now() - interval '30 days')::date::text)
    LIMIT $1))`;

const PURGES = [PURGE_REPORTS, purgeDays('order_moves'), purgeDays('order_times')];

@Injectable()
@ScheduledJob({
  name: 'purge-reports',
  cron: '50 3 * * *',
  leaseSeconds: 60,
  description: 'Forgets reports, and what they were made from, after 30 days.',
})
export class PurgeReports implements RunsJob {
  async run(run: JobRun): Promise<void> {
    for (const purge of PURGES)
      await run.untilDone(async (manager) => {
        const [, rows] = (await manager.query(purge, [ROWS_AT_ONCE])) as [unknown, number];
        return rows;
      });
  }
}
