import { DataSource } from 'typeorm';

import { createTestDatabase, type TestDatabase } from '../../../../test/support/database.js';
import { runJob } from '../../../../test/support/run-job.js';
import { dataSourceOptions } from '../database/data-source-options.js';
import { JobRunPurge } from './job-run-purge.js';

let database: TestDatabase;
let dataSource: DataSource;

beforeAll(async () => {
  database = await createTestDatabase();
  dataSource = await new DataSource(dataSourceOptions(database.url, 4)).initialize();
});
afterAll(async () => {
  await dataSource.destroy();
  await database.drop();
});
beforeEach(() => database.query('TRUNCATE job_runs'));

const insertRuns = (job: string, result: string, fences: readonly number[], age: string) =>
  database.query(
    `INSERT INTO job_runs (job, fence, trigger, started_at, result)
     SELECT $1, fence, 'schedule', business_now() - $4::interval, $2 FROM unnest($3::bigint[]) AS fence`,
    [job, result, fences, age],
  );

const left = async (job: string) => {
  const rows = await database.query<{ fence: string }>(
    'SELECT fence FROM job_runs WHERE job = $1 ORDER BY fence',
    [job],
  );
  return rows.map(({ fence }) => Number(fence));
};

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

describe('runs of jobs', () => {
  it('are kept for 30 days', async () => {
    await insertRuns('rake-leaves', 'succeeded', [1, 2], '30 days 1 second');
    await insertRuns('rake-leaves', 'succeeded', [3, 4], '29 days');
    expect(await runJob(new JobRunPurge(), dataSource)).toBe(2);
    expect(await left('rake-leaves')).toEqual([3, 4]);
  });

  it('stay when they are the last of their job with their result', async () => {
    await insertRuns('rake-leaves', 'succeeded', [1, 2], '60 days');
    await insertRuns('rake-leaves', 'failed', [3, 4, 5], '50 days');
    await insertRuns('cut-trees', 'succeeded', [1], '90 days');
    expect(await runJob(new JobRunPurge(), dataSource)).toBe(3);
    expect(await left('rake-leaves')).toEqual([2, 5]);
    expect(await left('cut-trees')).toEqual([1]);
  });

  it('are kept to the last 50,000 of a job, however young they are', async () => {
    await insertRuns('count-seconds', 'succeeded', [1, 2, 3, 4], '1 hour');
    await insertRuns('count-seconds', 'failed', [5], '1 hour');
    await database.query(`INSERT INTO jobs (name, schedule, next_run_at, fence)
      VALUES ('count-seconds', 'every second', 'infinity', 50_006), ('rake-leaves', 'daily', 'infinity', 50_004)`);
    await insertRuns('rake-leaves', 'succeeded', [3, 4, 5, 6], '1 hour');
    expect(await runJob(new JobRunPurge(), dataSource)).toBe(5);
    expect(await left('count-seconds')).toEqual([4, 5]);
    expect(await left('rake-leaves')).toEqual([5, 6]);
  });

  it('are forgotten in batches, until there is no old one left', async () => {
    await insertRuns('rake-leaves', 'succeeded', upTo(12_001), '31 days');
    expect(await runJob(new JobRunPurge(), dataSource)).toBe(12_000);
    expect(await left('rake-leaves')).toEqual([12_001]);
  });
});
