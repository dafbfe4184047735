import { JobScheduler } from '@daybook/platform';

import type { TestApp } from './app.js';

/** How a run ended, by its record. */
export interface RecordedRun {
  readonly result: string;
  readonly rows: number;
  readonly error: string | null;
}

/** Runs a job of the application once, by its name, as an admin would; returns when it has ended, however it did. */
export async function runNamedJob({ app, database }: TestApp, name: string): Promise<RecordedRun> {
  const started = await app.get(JobScheduler).runNow(name, 'admin-1');
  if (started === undefined) throw new Error(`The job ${name} is running already`);
  await started.ended;
  const [run] = await database.query<RecordedRun>(
    'SELECT result, rows::int, error FROM job_runs WHERE id = $1',
    [started.id],
  );
  if (run === undefined) throw new Error(`The run of ${name} has no record`);
  return run;
}
