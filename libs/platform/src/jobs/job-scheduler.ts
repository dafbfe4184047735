import { hostname } from 'node:os';

import { Inject, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { DataSource } from 'typeorm';

import { CONFIG, type DaybookConfig } from '../config/config.js';
import { NotFound, Overloaded } from '../errors/domain-error.js';
import { type DeclaredJob, DeclaredJobs } from './declared-jobs.js';
import { JobRun, LeaseLost } from './job-run.js';
import { type JobState, JobStore, type Lease, type RunEnd } from './job-store.js';
import type { RunsJob } from './scheduled-job.js';

const HEARTBEAT_MS = 1_000;
const LONGEST_ERROR = 1_000;

/** The server stops: the run ends where it is, and another process does it again. */
class ServerStops extends Error {
  override readonly message = 'The server was stopped.';
}

/** A run that was started in this process. */
export interface StartedRun {
  readonly id: string;
  /** Resolves when it has ended and that is recorded, however it ended. */
  readonly ended: Promise<void>;
}

/**
 * Runs the jobs. Once a second it asks the database which are due, by the database's clock, and claims them; of all
 * processes that do, one wins each claim. A claim is a lease with a fence: it runs out when the process is gone, and
 * what a process that was only paused writes later is refused (see {@link JobRun}).
 */
@Injectable()
export class JobScheduler implements OnApplicationBootstrap {
  private readonly logger = new Logger('Jobs');
  private readonly holder = `${hostname()}/${process.pid}`;
  private readonly underWay = new Map<JobRun, Promise<void>>();
  private heartbeat: Promise<void> | undefined;
  private isStopping = false;
  private isFailing = false;

  constructor(
    private readonly jobs: DeclaredJobs,
    private readonly store: JobStore,
    @Inject(DataSource) private readonly database: DataSource,
    @Inject(CONFIG) private readonly config: DaybookConfig,
  ) {}

  /** In every process: any of them may be asked to run a job by hand. */
  async onApplicationBootstrap(): Promise<void> {
    await this.store.register(this.jobs.all);
  }

  /**
   * Starts what is due, if this process is a scheduler, and ends runs whose job somebody else has taken over. Never
   * rejects: while the database is away there is nothing to do but to look again.
   */
  @Interval('jobs', HEARTBEAT_MS)
  async beat(): Promise<void> {
    const hasWork = this.config.roles.includes('scheduler') || this.underWay.size > 0;
    if (!hasWork || this.heartbeat !== undefined || this.isStopping) return;
    this.heartbeat = this.look().then(
      () => this.tell(undefined),
      (error: unknown) => this.tell(error),
    );
    await this.heartbeat;
    this.heartbeat = undefined;
  }

  /**
   * Runs a job now, whatever its schedule and this process's roles are; its next tick stays where it is.
   * @returns undefined when it is running already
   * @throws {NotFound} {@link Overloaded} when the server is stopping
   */
  async runNow(name: string, requestedBy: string): Promise<StartedRun | undefined> {
    const job = this.jobs.find(name);
    if (job === undefined) throw new NotFound(`There is no job ${name}.`);
    if (this.isStopping) throw new Overloaded('The server is stopping. Nothing was done.');
    const [seen] = await this.store.read([name]);
    return seen === undefined || isHeld(seen) ? undefined : this.claim(job, seen, requestedBy);
  }

  /** Starts nothing more, asks every run to end, and waits until they have: at most for the batch each is in. */
  async drain(): Promise<void> {
    this.isStopping = true;
    await this.heartbeat;
    for (const run of this.underWay.keys()) run.abort(new ServerStops());
    await Promise.all(this.underWay.values());
  }

  private async look(): Promise<void> {
    for (const state of await this.store.read(this.jobs.names)) {
      for (const run of this.underWay.keys())
        if (isOvertaken(run.lease, state)) run.abort(new LeaseLost(run.lease));
      const job = this.jobs.find(state.name);
      const isMine = this.config.roles.includes('scheduler') && isDue(state);
      if (job !== undefined && isMine) await this.claim(job, state);
    }
  }

  /** One line when it begins to fail and one when it is over, not one a second. */
  private tell(error: unknown): void {
    const isFailing = error !== undefined;
    if (isFailing && !this.isFailing)
      this.logger.error({ err: error, message: 'No job starts until this is over' });
    if (!isFailing && this.isFailing) this.logger.log('Jobs start again');
    this.isFailing = isFailing;
  }

  /** Takes the lease that was seen to be free and starts the run; undefined when somebody was faster. */
  private async claim(
    job: DeclaredJob,
    seen: JobState,
    requestedBy: string | null = null,
  ): Promise<StartedRun | undefined> {
    const isTick = requestedBy === null && seen.nextRunAt <= seen.now;
    const lease = await this.store.claim(seen, {
      holder: this.holder,
      leaseSeconds: job.leaseSeconds,
      // The first tick behind now, not behind the last one: all that were missed are made up for by this run.
      nextRunAt: isTick ? job.schedule.nextTickAfter(seen.now) : seen.nextRunAt,
      trigger: requestedBy === null ? 'schedule' : 'manual',
      scheduledFor: isTick ? seen.nextRunAt : null,
      requestedBy,
    });
    if (lease === undefined) return undefined;
    const run = new JobRun(this.database, lease);
    if (this.isStopping) run.abort(new ServerStops());
    const ended = this.carryOut(job, run).finally(() => this.underWay.delete(run));
    this.underWay.set(run, ended);
    return { id: lease.runId, ended };
  }

  /** Never rejects. */
  private async carryOut({ runner }: DeclaredJob, run: JobRun): Promise<void> {
    const { job, runId } = run.lease;
    const { end, error } = await outcomeOf(runner, run);
    if (end === 'failed') this.logger.error({ err: error, job, runId, message: 'A job failed' });
    try {
      const isRecorded = await this.store.finish(run.lease, end, error === undefined ? null : textOf(error));
      if (!isRecorded) this.logger.warn({ job, runId, message: 'Another run of the job has taken over' });
    } catch (unrecorded) {
      // To all others the run is still under way. Its lease runs out, and it is done again.
      this.logger.error({ err: unrecorded, job, runId, message: 'The end of a run could not be recorded' });
    }
  }
}

/** It may run: its tick has come, or its last run did not end and has lost its lease. */
function isDue({ nextRunAt, leaseUntil, now }: JobState): boolean {
  return (leaseUntil ?? nextRunAt) <= now;
}

function isHeld({ leaseUntil, now }: JobState): boolean {
  return leaseUntil !== null && leaseUntil > now;
}

/** Somebody else has claimed the job since. */
function isOvertaken(lease: Lease, { name, fence }: JobState): boolean {
  return lease.job === name && BigInt(fence) > BigInt(lease.fence);
}

async function outcomeOf(runner: RunsJob, run: JobRun): Promise<{ end: RunEnd; error?: unknown }> {
  try {
    run.signal.throwIfAborted();
    await runner.run(run);
  } catch (error) {
    // Of a run that was asked to end, this is how it ended.
    if (!run.signal.aborted) return { end: 'failed', error };
  }
  // Only the job could tell whether it was done when it was asked to end. Doing it once more is always safe.
  if (run.signal.aborted) return { end: 'abandoned', error: run.signal.reason };
  return { end: 'succeeded' };
}

/** As a column can hold it: PostgreSQL knows no NUL. */
function textOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replaceAll('\0', '').toWellFormed().slice(0, LONGEST_ERROR);
}
