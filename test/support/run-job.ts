import { JobRun, type RunsJob } from '@daybook/platform';
import type { DataSource } from 'typeorm';

let runs = 0;

/** Runs a job once, under a lease of its own; the rows that it touched. What it throws is thrown. @param tick what it is for; null: by hand */
export async function runJob(
  job: RunsJob,
  dataSource: DataSource,
  tick: Date | null = null,
): Promise<number> {
  runs += 1;
  const name = `test-${runs}`;
  await dataSource.query(
    `INSERT INTO jobs (name, schedule, next_run_at, fence, holder, lease_until)
     VALUES ($1, 'never', 'infinity', 1, 'test', business_now() + interval '1 minute')`,
    [name],
  );
  const [{ id }] = (await dataSource.query(
    `INSERT INTO job_runs (job, fence, trigger, started_at) VALUES ($1, 1, 'manual', business_now()) RETURNING id`,
    [name],
  )) as [{ id: string }];
  const lease = { job: name, fence: '1', runId: id, leaseSeconds: 60, scheduledFor: tick };
  await job.run(new JobRun(dataSource, lease));
  const [run] = (await dataSource.query('SELECT rows FROM job_runs WHERE id = $1', [id])) as [
    { rows: string },
  ];
  return Number(run.rows);
}
