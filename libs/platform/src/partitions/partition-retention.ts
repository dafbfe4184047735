import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import { CONFIG, type DaybookConfig } from '../config/config.js';
import { isLockTimeout } from '../database/database-errors.js';
import type { JobRun } from '../jobs/job-run.js';
import { type RunsJob, ScheduledJob } from '../jobs/scheduled-job.js';
import { type Partition, PartitionStore, type RowsInUse } from './partition-store.js';

/** Thrown at the end of a run that left months where they are, so that its record tells the operator which and why. */
export class MonthsLeft extends Error {
  constructor(reasons: readonly string[]) {
    super(`These months stay: ${reasons.join('; ')}`);
    this.name = 'MonthsLeft';
  }
}

/** A transaction that takes long has the table in use: the month is out of sight, and the next run goes on with it. */
export class DetachInterrupted extends Error {
  constructor({ name }: Partition, cause: unknown) {
    super(`${name} is in use by a long transaction; the next run goes on`, { cause });
    this.name = 'DetachInterrupted';
  }
}

/** Told of a month's table while its rows are still in sight, in the transaction that announces that they may be gone. */
export type RecordsLeaving = (partition: string, manager: EntityManager) => Promise<void>;

/**
 * Detaches the months that RETENTION_MONTHS no longer keeps. Their tables stay in the database, in the schema
 * `detached`. Every step can be the last one of a run: the state of the tables tells the next run where to go on.
 */
@Injectable()
@ScheduledJob({
  name: 'detach-old-partitions',
  cron: '40 2 * * *',
  leaseSeconds: 120,
  description: 'Detaches the months that RETENTION_MONTHS no longer keeps.',
})
export class PartitionRetention implements RunsJob {
  private readonly inUse: RowsInUse[] = [];
  private readonly recorders: { readonly table: string; readonly record: RecordsLeaving }[] = [];

  constructor(
    @Inject(CONFIG) private readonly config: DaybookConfig,
    private readonly partitions: PartitionStore,
  ) {}

  /** A month in which such a row is left is not detached, nor is what is part of it. */
  keepMonthsWith(rows: RowsInUse): void {
    this.inUse.push(rows);
  }

  /** Lets somebody write down what will be missing when a month of this table has left. */
  recordLeaving(table: string, record: RecordsLeaving): void {
    this.recorders.push({ table, record });
  }

  /** @throws {MonthsLeft} {DetachInterrupted} */
  async run(run: JobRun): Promise<void> {
    const { retentionMonths } = this.config;
    if (retentionMonths === undefined) return;
    const [firstKept] = (await this.partitions.monthsFromNow(-retentionMonths)) as [string];
    await this.finishInterrupted(firstKept, run);
    const reasons = [
      ...(await this.detachNumbered(firstKept, run)),
      ...(await this.detachOutlived(firstKept, run)),
    ];
    if (reasons.length > 0) throw new MonthsLeft(reasons);
  }

  /** What the last run could not finish comes first: PostgreSQL detaches one month of a table at a time. */
  private async finishInterrupted(firstKept: string, run: JobRun): Promise<void> {
    for (const partition of await this.partitions.olderThan(firstKept))
      if (partition.state !== 'attached') await this.detach(partition, run);
  }

  private async detachNumbered(firstKept: string, run: JobRun): Promise<string[]> {
    const old = (await this.partitions.olderThan(firstKept)).filter(({ key }) => key === 'number');
    const reasons: string[] = [];
    for (const partitions of Map.groupBy(old, ({ month }) => month).values())
      reasons.push(...(await this.detachAll(partitions, run)));
    return reasons;
  }

  /**
   * What is kept by time, when nothing is left that it could tell of. It stays a month longer than the numbered rows:
   * near midnight a number and a time may name neighbouring months.
   */
  private async detachOutlived(firstKept: string, run: JobRun): Promise<string[]> {
    const old = await this.partitions.olderThan(firstKept);
    const oldest = old.find(({ key }) => key === 'number')?.month ?? firstKept;
    const outlived = old.filter(({ key, month }) => key === 'time' && monthAfter(month) < oldest);
    return this.detachAll(outlived, run);
  }

  /** One after the other, up to the first that has to stay. @returns why it has to */
  private async detachAll(partitions: readonly Partition[], run: JobRun): Promise<string[]> {
    for (const partition of partitions) {
      const reason = await this.detach(partition, run);
      if (reason !== undefined) return [`${partition.name} (${reason})`];
    }
    return [];
  }

  private async detach(partition: Partition, run: JobRun): Promise<string | undefined> {
    run.signal.throwIfAborted();
    if (partition.state === 'attached') {
      const reason = await this.announce(partition, run);
      if (reason !== undefined) return reason;
    }
    if (partition.state !== 'detached') await this.takeOut(partition);
    return this.putAway(partition, run);
  }

  /** Before the first of its rows is out of sight, so that whoever misses them can know why. */
  private async announce(partition: Partition, run: JobRun): Promise<string | undefined> {
    let reason: string | undefined;
    await run.batch(async (manager) => {
      reason = await this.reasonToStay(partition, manager);
      if (reason === undefined) await this.record(partition, manager);
      return 0;
    });
    return reason;
  }

  private async record(partition: Partition, manager: EntityManager): Promise<void> {
    await this.partitions.recordDetached(partition, manager);
    for (const { table, record } of this.recorders)
      if (table === partition.table) await record(partition.name, manager);
  }

  private async takeOut(partition: Partition): Promise<void> {
    try {
      await this.partitions.detach(partition);
    } catch (error) {
      throw isLockTimeout(error) ? new DetachInterrupted(partition, error) : error;
    }
  }

  /** Nobody can reach its rows any more; but until a moment ago one of them could be taken into use again. */
  private async putAway(partition: Partition, run: JobRun): Promise<string | undefined> {
    let reason: string | undefined;
    await run.batch(async (manager) => {
      reason = await this.reasonToStay(partition, manager);
      if (reason === undefined) await this.partitions.putAway(partition, manager);
      else await this.partitions.attach(partition, manager);
      return reason === undefined ? 1 : 0;
    });
    return reason;
  }

  private async reasonToStay(partition: Partition, manager: EntityManager): Promise<string | undefined> {
    for (const rows of this.inUse.filter(({ table }) => table === partition.table)) {
      const count = await this.partitions.countInUse(partition, rows, manager);
      if (count > 0) return `${rows.description}: ${count}`;
    }
    return undefined;
  }
}

/** `202512` -> `202601` */
function monthAfter(month: string): string {
  return String(month.endsWith('12') ? Number(month) + 89 : Number(month) + 1);
}
