import { setTimeout as pause } from 'node:timers/promises';

import type { DataSource, EntityManager } from 'typeorm';

import { inRepeatedTransaction } from '../database/transaction.js';
import { type RequestContext, systemContext } from '../http/request-context.js';
import { type Lease, renewLease } from './job-store.js';

const DEFAULT_SHARE = 1 / 4;

/** Somebody else runs the job by now. What this run would still have written is rolled back. */
export class LeaseLost extends Error {
  constructor({ job, runId }: Lease) {
    super(`Run ${runId} of the job ${job} was given up: another one has taken its place`);
    this.name = 'LeaseLost';
  }
}

/** One run of a job, as the job sees it. */
export class JobRun {
  /** For the commands it dispatches: the journal says `job/<name>/<run id>`. */
  readonly context: RequestContext;
  private readonly ending = new AbortController();

  constructor(
    private readonly database: DataSource,
    readonly lease: Lease,
  ) {
    this.context = systemContext(`job/${lease.job}/${lease.runId}`);
  }

  /** Aborted when the server stops, or the lease is lost. */
  get signal(): AbortSignal {
    return this.ending.signal;
  }

  /** Asks the job to end. */
  abort(reason: Error): void {
    this.ending.abort(reason);
  }

  /**
   * Renews the lease; the last statement of a transaction that the job opens by itself. A process that was paused and
   * does not know that it has been overtaken fails here, and its transaction with it.
   * @param rows what the transaction has touched, for the record of the run
   * @throws {LeaseLost}
   */
  async hold(manager: EntityManager, rows = 0): Promise<void> {
    if (await renewLease(this.lease, rows, manager)) return;
    const lost = new LeaseLost(this.lease);
    this.abort(lost);
    throw lost;
  }

  /**
   * Runs `work` in one transaction, under the lease; again if it was the victim of a deadlock or lost a race.
   * @param work returns how many rows it touched; takes a bounded number of them, so that nobody waits long for it
   * @throws {LeaseLost} when another process has taken the job over: then nothing was done
   */
  async batch(work: (manager: EntityManager) => Promise<number>): Promise<number> {
    return inRepeatedTransaction(this.database, async (manager) => {
      this.signal.throwIfAborted();
      const rows = await work(manager);
      await this.hold(manager, rows);
      return rows;
    });
  }

  /** As {@link repeat}, each batch in a transaction of its own (see {@link batch}). */
  async untilDone(
    work: (manager: EntityManager) => Promise<number>,
    options: { readonly share?: number } = {},
  ): Promise<void> {
    await this.repeat(() => this.batch(work), options);
  }

  /**
   * Repeats a bounded step until it finds nothing to do, or the signal is aborted. In between it rests, so that a long
   * sweep leaves the database to the orders most of the time.
   * @param step returns how many rows it touched, and holds the lease in every transaction of its own
   * @param share of the time that the steps may take together; the rest behind a slow one ends early, after a third of
   *   the lease, so that the lease does not run out meanwhile
   */
  async repeat(step: () => Promise<number>, { share = DEFAULT_SHARE } = {}): Promise<void> {
    while (!this.signal.aborted) {
      const startedAt = performance.now();
      if ((await step()) === 0) return;
      await this.rest(restMsAfter(performance.now() - startedAt, share, this.lease.leaseSeconds));
    }
  }

  /** Ends early when the signal is aborted. */
  private async rest(ms: number): Promise<void> {
    try {
      await pause(ms, undefined, { signal: this.signal });
    } catch (error) {
      if (!this.signal.aborted) throw error;
    }
  }
}

/** How long to rest behind a batch, so that batches take their share of the time, and the lease outlasts the rest. */
export function restMsAfter(tookMs: number, share: number, leaseSeconds: number): number {
  return Math.min(tookMs / share - tookMs, (leaseSeconds * 1000) / 3);
}
