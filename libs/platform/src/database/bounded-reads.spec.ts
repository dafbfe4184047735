import { Client } from 'pg';

import { createTestDatabase, type TestDatabase } from '../../../../test/support/database.js';
import { waitFor } from '../../../../test/support/wait-for.js';
import { loadConfig } from '../config/config.js';
import { BoundedReads, QueryTooBroad } from './bounded-reads.js';
import { isConnectionLost, isLockTimeout } from './database-errors.js';

let database: TestDatabase;
let reads: BoundedReads;

beforeAll(async () => {
  database = await createTestDatabase();
  const environment = { DATABASE_URL: database.url, LIST_POOL_SIZE: '1', LIST_TIME_BUDGET_MS: '200' };
  reads = new BoundedReads(loadConfig(environment));
});
afterAll(async () => {
  await reads.onApplicationShutdown();
  await database.drop();
});

const FOR_EVER = 'SELECT count(*) FROM generate_series(1, 1e12::bigint)';

describe('bounded reads', () => {
  it('give the rows of a statement', async () => {
    expect(await reads.query('sum', 'SELECT $1::int + 1 AS sum', [1])).toEqual([{ sum: 2 }]);
  });

  it('give up what takes too long, and say what would help', async () => {
    const failure: unknown = await reads
      .query('series', FOR_EVER, [], ['placedFrom'])
      .catch((error) => error);
    expect(failure).toBeInstanceOf(QueryTooBroad);
    expect(failure).toMatchObject({
      code: 'query_too_broad',
      message: 'This would take longer than 200 ms. Add or narrow: placedFrom.',
      details: { timeBudgetMs: 200, narrowBy: ['placedFrom'] },
    });
  });

  it('give up waiting for a lock before their time is over, for the question is not to blame', async () => {
    const holder = new Client({ connectionString: database.url });
    await holder.connect();
    await holder.query('BEGIN; LOCK TABLE settings');
    const failure: unknown = await reads
      .query('held up', 'SELECT FROM settings', [], ['placedFrom'])
      .catch((error) => error);
    expect(isLockTimeout(failure)).toBe(true);
    await holder.end();
  });

  it('do not change anything', async () => {
    await expect(reads.query('change', `DELETE FROM settings`, [])).rejects.toMatchObject({
      code: '25006',
    });
  });

  it('leave it to the caller to say what that means where nothing would help', async () => {
    await expect(reads.query('series', FOR_EVER, [])).rejects.toMatchObject({ code: '57014' });
  });

  it('survive that the database ends their connection, at work or idle', async () => {
    const patient = new BoundedReads(
      loadConfig({ DATABASE_URL: database.url, LIST_TIME_BUDGET_MS: '60000' }),
    );
    const end = (state: string) =>
      waitFor(`a connection that is ${state}`, async () => {
        const ended = await database.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()
             AND application_name = 'daybook-lists' AND state = $1 AND query LIKE '%patient%'`,
          [state],
        );
        return ended.length > 0;
      });
    const [atWork] = await Promise.allSettled([
      patient.query('series', `${FOR_EVER} AS patient`, []),
      end('active'),
    ]);
    expect(isConnectionLost((atWork as PromiseRejectedResult).reason)).toBe(true);
    const one = () => patient.query<{ patient: number }>('one', 'SELECT 1 AS patient', []);
    await one();
    await end('idle');
    expect(await waitFor('another connection', () => one().catch(() => undefined))).toEqual([{ patient: 1 }]);
    await patient.onApplicationShutdown();
  });
});
