import { Injectable } from '@nestjs/common';

import type { JobRun } from './job-run.js';
import { type RunsJob, ScheduledJob } from './scheduled-job.js';

const BATCH_SIZE = 5_000;
// More than a month of a job that runs once a minute; of one that runs every second, half a day.
const RUNS_OF_ONE_JOB = 50_000;

// Of each job the last run of each result stays: when did it last succeed, and what was the last error?
const PURGE = `
  DELETE FROM job_runs WHERE ctid = ANY(ARRAY(
    SELECT run.ctid FROM job_runs run
    WHERE (run.started_at < (SELECT business_now() - interval '30 days')
        OR run.fence <= (SELECT job.fence - ${RUNS_OF_ONE_JOB} FROM jobs job WHERE job.name = run.job))
      AND (run.job, run.fence) NOT IN (SELECT job, max(fence) FROM job_runs GROUP BY job, result)
    ORDER BY run.id LIMIT $1 FOR UPDATE OF run SKIP LOCKED))`;

@Injectable()
@ScheduledJob({
  name: 'purge-job-runs',
  cron: '40 3 * * *',
  leaseSeconds: 60,
  description:
    'Forgets runs of jobs that are older than 30 days or 50,000 runs, but never the last one of each result.',
})
export class JobRunPurge implements RunsJob {
  run(run: JobRun): Promise<void> {
    return run.untilDone(async (manager) => {
      const [, rows] = (await manager.query(PURGE, [BATCH_SIZE])) as [unknown, number];
      return rows;
    });
  }
}
