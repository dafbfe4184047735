import { Injectable, Inject } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';

import { prepared } from '../database/transaction.js';
import type { Schedule } from './schedule.js';

export interface JobToRegister {
  readonly name: string;
  readonly schedule: Schedule;
  readonly leaseSeconds: number;
}

/** What the database says of a job, as far as it decides who may run it. */
export interface JobState {
  readonly name: string;
  readonly nextRunAt: Date;
  readonly fence: string;
  readonly leaseUntil: Date | null;
  /** When this was read, by the database's clock. */
  readonly now: Date;
}

/** The right to run a job until somebody claims it with a higher fence. */
export interface Lease {
  readonly job: string;
  readonly fence: string;
  readonly runId: string;
  readonly leaseSeconds: number;
  /** The tick that the run is for; null when it was asked for by hand. */
  readonly scheduledFor: Date | null;
}

/** How and for what a job is claimed. */
export interface Claim {
  readonly holder: string;
  readonly leaseSeconds: number;
  readonly nextRunAt: Date;
  readonly trigger: 'schedule' | 'manual';
  /** Null for a run by the clock: it does again what the run before it has left. */
  readonly scheduledFor: Date | null;
  readonly requestedBy: string | null;
}

export type RunEnd = 'succeeded' | 'failed' | 'abandoned';

// Later than the schedule's next tick, or further ahead than a lease: the clock was put back, and waiting for it to
// get there could take for ever. The condition keeps a start from waiting for rows that need no change.
const REGISTER = `
  WITH declared AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::int[]) AS job (name, schedule, next_run_at, lease))
  UPDATE jobs SET schedule = declared.schedule, next_run_at = least(jobs.next_run_at, declared.next_run_at),
    lease_until = CASE WHEN jobs.lease_until IS NOT NULL
      THEN least(jobs.lease_until, business_now() + make_interval(secs => declared.lease)) END
  FROM declared WHERE declared.name = jobs.name AND (jobs.schedule <> declared.schedule
    OR jobs.next_run_at > declared.next_run_at
    OR jobs.lease_until > business_now() + make_interval(secs => declared.lease))`;

const READ = `
  SELECT name, next_run_at AS "nextRunAt", fence, lease_until AS "leaseUntil", business_now() AS now
  FROM jobs WHERE name = ANY($1)`;

// One statement, so that there is no run without its record. SKIP LOCKED: a holder that was paused inside a transaction
// that renews its lease has this row locked, and nobody waits for it.
const CLAIM = `
  WITH free AS MATERIALIZED (
    SELECT name FROM jobs WHERE name = $1 AND fence = $2::bigint AND next_run_at = $3::timestamptz
      AND lease_until IS NOT DISTINCT FROM $4::timestamptz
    FOR UPDATE SKIP LOCKED),
  claimed AS (
    UPDATE jobs SET fence = jobs.fence + 1, holder = $5, next_run_at = $7::timestamptz,
      lease_until = business_now() + make_interval(secs => $6::int),
      abandoned = jobs.abandoned + (jobs.holder IS NOT NULL)::int
    FROM free WHERE jobs.name = free.name RETURNING jobs.name, jobs.fence),
  given_up AS (
    UPDATE job_runs run SET result = 'abandoned', error = 'Its lease ran out: its process ended or was held up.'
    FROM claimed WHERE run.job = claimed.name AND run.fence = claimed.fence - 1 AND run.result = 'running')
  INSERT INTO job_runs (job, fence, trigger, requested_by, scheduled_for, started_at)
  SELECT claimed.name, claimed.fence, $8, $9,
    CASE WHEN $8 = 'schedule' THEN coalesce($10::timestamptz, before.scheduled_for) END, business_now()
  FROM claimed LEFT JOIN job_runs before ON before.job = claimed.name AND before.fence = claimed.fence - 1
  RETURNING id, fence, scheduled_for AS "scheduledFor"`;

// A run that has ended has no holder: a batch that it did not wait for is refused as well.
const HOLD = `
  WITH held AS (
    UPDATE jobs SET lease_until = business_now() + make_interval(secs => $3::int)
    WHERE name = $1 AND fence = $2::bigint AND holder IS NOT NULL RETURNING name, fence)
  UPDATE job_runs run SET rows = run.rows + $4::bigint FROM held
  WHERE run.job = held.name AND run.fence = held.fence RETURNING run.id`;

const FINISH = `
  WITH ended AS (
    UPDATE jobs SET holder = NULL, lease_until = CASE WHEN $3 = 'abandoned' THEN business_now() END,
      succeeded = succeeded + ($3 = 'succeeded')::int, failed = failed + ($3 = 'failed')::int,
      abandoned = abandoned + ($3 = 'abandoned')::int
    WHERE name = $1 AND fence = $2::bigint AND holder IS NOT NULL RETURNING name, fence)
  UPDATE job_runs run SET result = $3, error = $4, finished_at = business_now() FROM ended
  WHERE run.job = ended.name AND run.fence = ended.fence RETURNING run.id`;

/** The rows of the jobs and their runs. Every change is a compare-and-set on the fence. */
@Injectable()
export class JobStore {
  constructor(@Inject(DataSource) private readonly database: DataSource) {}

  /** Makes the rows of jobs that are new, and takes over what their declarations have changed. */
  async register(jobs: readonly JobToRegister[]): Promise<void> {
    const [{ now }] = (await this.database.query('SELECT business_now() AS now')) as [{ now: Date }];
    const columns = [
      jobs.map(({ name }) => name),
      jobs.map(({ schedule }) => schedule.text),
      jobs.map(({ schedule }) => schedule.nextTickAfter(now)),
    ];
    await this.database.query(
      `INSERT INTO jobs (name, schedule, next_run_at) SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[])
       ON CONFLICT (name) DO NOTHING`,
      columns,
    );
    await this.database.query(REGISTER, [...columns, jobs.map(({ leaseSeconds }) => leaseSeconds)]);
  }

  async read(names: readonly string[]): Promise<JobState[]> {
    return (await this.database.query(READ, [names])) as JobState[];
  }

  /** Undefined when the job is not as it was seen, or its holder is in the middle of renewing the lease. */
  async claim(seen: JobState, claim: Claim): Promise<Lease | undefined> {
    const [row] = (await this.database.query(CLAIM, [
      seen.name,
      seen.fence,
      seen.nextRunAt,
      seen.leaseUntil,
      claim.holder,
      claim.leaseSeconds,
      claim.nextRunAt,
      claim.trigger,
      claim.requestedBy,
      claim.scheduledFor,
    ])) as { id: string; fence: string; scheduledFor: Date | null }[];
    if (row === undefined) return undefined;
    const { id: runId, ...granted } = row;
    return { ...granted, job: seen.name, runId, leaseSeconds: claim.leaseSeconds };
  }

  /** Ends the run; false when it was overtaken before, and nothing was changed. */
  async finish({ job, fence }: Lease, end: RunEnd, error: string | null): Promise<boolean> {
    const [rows] = (await this.database.query(FINISH, [job, fence, end, error])) as [unknown[]];
    return rows.length > 0;
  }
}

/** Renews the lease inside the batch's transaction, and counts its rows; false when the lease is lost. */
export async function renewLease(
  { job, fence, leaseSeconds }: Lease,
  rows: number,
  manager: EntityManager,
): Promise<boolean> {
  return (await prepared(manager, 'jobs/hold', HOLD, [job, fence, leaseSeconds, rows])).length > 0;
}
