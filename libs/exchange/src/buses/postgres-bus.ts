import type { DataSource, EntityManager } from 'typeorm';

import { inTransaction, numberColumn, prepared, textColumn, textsIn } from '@daybook/platform';

import { type ExecutionBus, PARTITIONS, type Stretch } from '../execution-bus.js';
import type { ExecutionReport } from '../execution-report.js';

/** How soon a stretch is seen that another process has published: while something comes, and when nothing has for a while. */
const LOOK_AGAIN_MS = { busy: 20, idle: 200 };
const BUSY_FOR_MS = 2_000;
const PATIENCE_MS = 2_000;
/** Stretches that are read at once are this many at most, however few reports are in them. */
const STRETCHES_AT_ONCE = 500;
/** From the first that is not applied to the last; more than about 400 MB they are not. */
const MOST_REPORTS = 2_000_000;
const ALL_PARTS = Array.from({ length: PARTITIONS }, (_, partition) => partition);

const PUBLISH = `
  INSERT INTO execution_inbox (partition, after, through, reports, count)
  SELECT * FROM unnest($1::int[], $2::bigint[], $3::bigint[], ${textsIn('$4')}, $5::int[]) ON CONFLICT DO NOTHING`;

// By where they begin: those that join what is applied come first. What was received twice, and goes no further than those
// before it, brings nothing. Reports lie outside of their rows, and only those of the stretches that are wanted are read.
const TAKE = `
  SELECT after::float8, through::float8, reports FROM (
    SELECT *, sum(count) OVER (ORDER BY after, through) - count AS before FROM (
      SELECT *, max(through) OVER (ORDER BY after, through ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached
      FROM (
        SELECT * FROM execution_inbox WHERE partition = $1::int AND through > $2::bigint
        ORDER BY after, through LIMIT ${STRETCHES_AT_ONCE}) AS next) AS further
    WHERE reached IS NULL OR through > reached) AS counted
  WHERE before < $3::int ORDER BY after, through`;

// Up to where the stretches of each part join what is applied: to the first that begins beyond all before it.
const REACHED = `
  SELECT min(coalesce(
    (SELECT coalesce(min(before) FILTER (WHERE after > before), max(through)) FROM (
      SELECT after, through, greatest(applied, max(through) OVER (
        ORDER BY after, through ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)) AS before
      FROM execution_inbox WHERE execution_inbox.partition = part.partition AND through > applied) AS stretches),
    applied))::float8 AS reached
  FROM unnest($1::int[], $2::bigint[]) AS part (partition, applied)`;

// A look at the first entry of each part in the index, however much there is.
const OLDEST = `
  SELECT min(oldest.after)::float8 AS after FROM unnest($1::int[], $2::bigint[]) AS part (partition, applied)
  CROSS JOIN LATERAL (
    SELECT after FROM execution_inbox WHERE execution_inbox.partition = part.partition AND through > applied
    ORDER BY after LIMIT 1) AS oldest`;

const FORGET = `DELETE FROM execution_inbox WHERE partition = $1::int AND through <= $2::bigint`;

const HAS_MORE = `
  SELECT FROM unnest($1::int[], $2::bigint[]) AS seen (partition, applied)
  WHERE EXISTS (SELECT FROM execution_inbox inbox WHERE inbox.partition = seen.partition AND inbox.through > seen.applied)
  LIMIT 1`;

/** The stream in a table of the same database: nothing else to run, and forgotten by the transaction that applies it. */
export class PostgresBus implements ExecutionBus {
  /** Wakes those of this process who wait. */
  private published = Promise.withResolvers<void>();
  private busyUntil = 0;
  /** How far each part was applied when it was last looked for. */
  private readonly seen = new Map<number, number>();
  private readonly closing = new AbortController();
  /** How far each part was applied when it was last asked from where to resume. */
  private applied: readonly number[] = ALL_PARTS.map(() => 0);

  /** @param mostReports how many places of the stream it spans at most; what is beyond is refused */
  constructor(
    private readonly database: DataSource,
    private readonly mostReports = MOST_REPORTS,
  ) {}

  async resumeAfter(applied: readonly number[]): Promise<number> {
    this.applied = ALL_PARTS.map((partition) => applied[partition] ?? 0);
    const [row] = (await this.database.query(REACHED, [ALL_PARTS, this.applied])) as [{ reached: number }];
    return row.reached;
  }

  async publish(received: readonly Stretch[]): Promise<void> {
    // What one part needs again the others may have applied: nobody would ever forget it.
    const stretches = received.filter(({ partition, through }) => through > (this.applied[partition] ?? 0));
    if (stretches.length === 0) return;
    await this.refuseWhenFull(Math.max(...stretches.map(({ through }) => through)));
    await inTransaction(this.database, (manager) =>
      prepared(manager, 'postgres-bus/publish', PUBLISH, [
        numberColumn(stretches.map(({ partition }) => partition)),
        numberColumn(stretches.map(({ after }) => after)),
        numberColumn(stretches.map(({ through }) => through)),
        textColumn(stretches.map(({ reports }) => JSON.stringify(reports))),
        numberColumn(stretches.map(({ reports }) => reports.length)),
      ]),
    );
    this.published.resolve();
    this.published = Promise.withResolvers();
  }

  async take(partition: number, applied: number, reports: number): Promise<readonly Stretch[]> {
    this.seen.set(partition, applied);
    const rows = (await this.database.query(TAKE, [partition, applied, reports])) as StoredStretch[];
    if (rows.length > 0) this.busyUntil = performance.now() + BUSY_FOR_MS;
    const taken: Stretch[] = [];
    for (const row of rows) {
      // Something is missing here. What comes before is good.
      if (taken.length > 0 && row.after > (taken.at(-1)?.through ?? 0)) break;
      taken.push({ ...row, partition, reports: JSON.parse(row.reports) as ExecutionReport[] });
    }
    return taken;
  }

  async forget(partition: number, through: number, manager: EntityManager): Promise<void> {
    await prepared(manager, 'postgres-bus/forget', FORGET, [partition, through]);
  }

  /** It is forgotten already. */
  async acknowledge(): Promise<void> {}

  async arrival(partitions: readonly number[], signal: AbortSignal): Promise<void> {
    const until = performance.now() + PATIENCE_MS;
    const isEnding = () => signal.aborted || this.closing.signal.aborted;
    while (!isEnding() && performance.now() < until) {
      const { promise: published } = this.published;
      const applied = partitions.map((partition) => this.seen.get(partition) ?? 0);
      const found = (await this.database.query(HAS_MORE, [partitions, applied])) as unknown[];
      if (found.length > 0) return;
      const isBusy = performance.now() < this.busyUntil;
      await firstOf(published, isBusy ? LOOK_AGAIN_MS.busy : LOOK_AGAIN_MS.idle, signal, this.closing.signal);
    }
  }

  async close(): Promise<void> {
    this.closing.abort();
  }

  /** The venue keeps what there is no room for. */
  private async refuseWhenFull(through: number): Promise<void> {
    const [row] = (await this.database.query(OLDEST, [ALL_PARTS, this.applied])) as [
      { after: number | null },
    ];
    if (through - (row.after ?? through) > this.mostReports)
      throw new Error(
        `The bus is full: it has everything from ${row.after} on, and nothing of that is applied`,
      );
  }
}

/** Resolves with the event, after the time, or when one of the signals is aborted; leaves nothing behind. */
async function firstOf(event: Promise<void>, ms: number, ...signals: readonly AbortSignal[]): Promise<void> {
  const done = Promise.withResolvers<void>();
  const wake = () => done.resolve();
  const timer = setTimeout(wake, ms);
  for (const signal of signals) {
    if (signal.aborted) done.resolve();
    signal.addEventListener('abort', wake, { once: true });
  }
  await Promise.race([event, done.promise]);
  clearTimeout(timer);
  for (const signal of signals) signal.removeEventListener('abort', wake);
}

interface StoredStretch {
  readonly after: number;
  readonly through: number;
  readonly reports: string;
}
