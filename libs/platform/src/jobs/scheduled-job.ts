import { SetMetadata } from '@nestjs/common';

import type { DaybookConfig } from '../config/config.js';
import type { JobRun } from './job-run.js';

interface JobDescription {
  /** Lower-case words with hyphens between them: its name in the API, the metrics and the database. */
  readonly name: string;
  /**
   * How long a run may go without finishing a batch before another process takes the job over, 30 to 3600. Several
   * times what a batch may take: a run that is slower than its lease never gets anything done.
   */
  readonly leaseSeconds: number;
  /** For operators: what it does, in a sentence. */
  readonly description: string;
}

export interface CronJob extends JobDescription {
  /** Five fields, or six with seconds in front, in the business time zone: `30 3 * * *`. */
  readonly cron: string;
}

export interface IntervalJob extends JobDescription {
  /** 1 to 86400; the ticks are the whole multiples of it since 1970, by the database's clock. */
  readonly everySeconds: (config: DaybookConfig) => number;
}

export type JobDeclaration = CronJob | IntervalJob;

export interface RunsJob {
  /**
   * Does what is due. One process at a time does; but a run that was cut short is done again, so it must be safe to
   * run twice. Ends soon after `run.signal` is aborted; what it throws is recorded as the error of the run.
   */
  run(run: JobRun): Promise<void>;
}

/** The metadata under which a class declares its job. */
export const JOB = Symbol('scheduled job');

/**
 * Declares a provider that does something by the clock, see {@link RunsJob}. It runs in one process that has the role
 * `scheduler`, whichever is first; every run is recorded; ticks that were missed are made up for by one run.
 */
export const ScheduledJob = (declaration: JobDeclaration) => SetMetadata(JOB, declaration);
