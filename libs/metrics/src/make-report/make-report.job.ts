import { Inject, Injectable, Logger } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import { CONFIG, type DaybookConfig, type JobRun, type RunsJob, ScheduledJob } from '@daybook/platform';

import { readClock, readPopulation, readQueue, readThroughput } from '../order-figures.js';
import { closeInterval, foldAll, foldTallies, OPEN_INTERVAL } from '../order-totals.js';
import { type Report, REPORT_COLUMNS, type ReportFigures } from '../report.js';

const READ_LAST_END = `
  SELECT coalesce((SELECT to_at FROM reports ORDER BY id DESC LIMIT 1),
    (SELECT value::timestamptz FROM settings WHERE name = 'reports_since')) AS "lastEnd"`;

const INSERT = `
  INSERT INTO reports (from_at, to_at, figures) VALUES (least($1::timestamptz, $2::timestamptz), $2, $3)
  RETURNING ${REPORT_COLUMNS}`;

/** One report of an interval, whichever process makes it: the lease sees to that, and what is in it is in no other. */
@Injectable()
@ScheduledJob({
  name: 'make-report',
  everySeconds: ({ reportIntervalSeconds }) => reportIntervalSeconds,
  leaseSeconds: 30,
  description: 'Reports what has happened to orders since the last report (REPORT_INTERVAL_SECONDS).',
})
export class MakeReport implements RunsJob {
  private readonly logger = new Logger('Report');

  constructor(@Inject(CONFIG) private readonly config: Pick<DaybookConfig, 'businessTimezone'>) {}

  async run(run: JobRun): Promise<void> {
    await foldAll(run);
    if (run.signal.aborted) return;
    let report: Report | undefined;
    await run.batch(async (manager) => {
      report = await this.make(run.lease.scheduledFor, manager);
      return report === undefined ? 0 : 1;
    });
    if (report === undefined) return;
    const { id, from, to, figures } = report;
    this.logger.log({ report: id, from, to, ...figures, message: 'Orders in the last interval' });
  }

  /** Undefined when a run that did not live to see its end has made the report of this tick. */
  private async make(tick: Date | null, manager: EntityManager): Promise<Report | undefined> {
    await foldTallies(manager);
    const { now, today } = await readClock(this.config.businessTimezone, manager);
    const [{ lastEnd }] = (await manager.query(READ_LAST_END)) as [{ lastEnd: Date }];
    // A report from the future is not the one: somebody has put the clock back.
    if (tick !== null && tick <= lastEnd && lastEnd <= now) return undefined;
    const figures = await readFigures(today, manager);
    await closeInterval(manager);
    const [report] = (await manager.query(INSERT, [lastEnd, now, figures])) as [Report];
    return report;
  }
}

/** Nobody else folds until this transaction ends: all of it is of one moment, but who has waited longest. */
async function readFigures(today: string, manager: EntityManager): Promise<ReportFigures> {
  const interval = await readThroughput(OPEN_INTERVAL, 'folded', manager);
  const sinceMidnight = await readThroughput(today, 'folded', manager);
  const queue = await readQueue(await readPopulation('folded', manager), manager);
  return { interval, sinceMidnight, queue };
}
