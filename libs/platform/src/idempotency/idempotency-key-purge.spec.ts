import { DataSource } from 'typeorm';

import { createTestDatabase, type TestDatabase } from '../../../../test/support/database.js';
import { runJob } from '../../../../test/support/run-job.js';
import { dataSourceOptions } from '../database/data-source-options.js';
import { inTransaction } from '../database/transaction.js';
import { Answer } from '../http/answer.js';
import { IdempotencyKeyPurge } from './idempotency-key-purge.js';
import { IdempotencyStore } from './idempotency.js';

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
beforeEach(async () => {
  await database.query('TRUNCATE idempotency_keys');
  await database.shiftTime('0');
});

const purge = () => runJob(new IdempotencyKeyPurge(), dataSource);
const store = new IdempotencyStore();
const claim = (key: string, fingerprint = 'a') => ({ caller: 'alice', key, fingerprint });
const find = (key: string) => inTransaction(dataSource, (manager) => store.find(manager, [claim(key)]));
const remember = (key: string, body: string) =>
  inTransaction(dataSource, (manager) =>
    store.store(manager, [{ claim: claim(key), answer: new Answer(201, body) }]),
  );

const insertKeys = (count: number, age: string) =>
  database.query(
    `INSERT INTO idempotency_keys (caller, key, fingerprint, status, body, created_at)
     SELECT 'bob', '${age}' || n, 'a', 201, '{}', business_now() - $2::interval FROM generate_series(1, $1) n`,
    [count, age],
  );

const keys = async () => {
  const [row] = await database.query<{ count: number }>('SELECT count(*)::int FROM idempotency_keys');
  return row?.count;
};

describe('idempotency keys', () => {
  it('are kept for 24 hours', async () => {
    await remember('k', '{"first":true}');
    await database.shiftTime('23 hours 59 minutes');
    expect(await purge()).toBe(0);
    expect(await find('k')).toMatchObject([{ body: '{"first":true}', isReplay: true }]);
  });

  it('are forgotten then, and stand for a new request', async () => {
    await remember('k', '{"first":true}');
    await database.shiftTime('24 hours 1 second');
    expect(await purge()).toBe(1);
    expect(await find('k')).toEqual([undefined]);
    await remember('k', '{"second":true}');
    expect(await purge()).toBe(0);
    expect(await find('k')).toMatchObject([{ body: '{"second":true}' }]);
  });

  it('are forgotten in batches, until there is no old one left', async () => {
    await insertKeys(11_000, '25 hours');
    await insertKeys(10, '1 hour');
    expect(await purge()).toBe(11_000);
    expect(await keys()).toBe(10);
  });

  it('that somebody has locked are not waited for', async () => {
    await insertKeys(3, '25 hours');
    await inTransaction(dataSource, async (manager) => {
      await manager.query('SELECT FROM idempotency_keys LIMIT 1 FOR UPDATE');
      expect(await purge()).toBe(2);
    });
    expect(await purge()).toBe(1);
  });

  it('are found by their age, not by reading all of them', async () => {
    await insertKeys(20_000, '1 hour');
    await insertKeys(10, '25 hours');
    await database.query('ANALYZE idempotency_keys');
    // One connection, because each tells the statistics only what it did itself.
    const lone = await new DataSource(dataSourceOptions(database.url, 1)).initialize();
    const rowsRead = async () => {
      await lone.query('SELECT pg_stat_force_next_flush()');
      const [row] = (await lone.query(
        `SELECT seq_tup_read + idx_tup_fetch AS read FROM pg_stat_user_tables WHERE relname = 'idempotency_keys'`,
      )) as [{ read: string }];
      return Number(row.read);
    };
    const before = await rowsRead();
    expect(await runJob(new IdempotencyKeyPurge(), lone)).toBe(10);
    expect((await rowsRead()) - before).toBeLessThan(100);
    await lone.destroy();
  });
});
