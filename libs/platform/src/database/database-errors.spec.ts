import { DataSource, type EntityManager } from 'typeorm';

import { createTestDatabase, type TestDatabase } from '../../../../test/support/database.js';
import { dataSourceOptions } from './data-source-options.js';
import {
  isConnectionLost,
  isLockTimeout,
  isPoolTimeout,
  isTransactionConflict,
  rowWithoutPartition,
  sqlState,
  violatesUnique,
} from './database-errors.js';
import { inTransaction, prepared } from './transaction.js';

let database: TestDatabase;
let pool: DataSource;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.query(
    'CREATE TABLE seats (number integer PRIMARY KEY, guest text UNIQUE, taken integer DEFAULT 0)',
  );
  await database.query(`INSERT INTO seats VALUES (1, 'alice'), (2, 'bob')`);
  await database.query(`
    CREATE TABLE visits (at timestamptz, guest text CONSTRAINT visits_have_a_guest CHECK (guest <> ''), UNIQUE (guest, at))
      PARTITION BY RANGE (at);
    CREATE TABLE visits_203001 PARTITION OF visits FOR VALUES FROM ('2030-01-01Z') TO ('2030-02-01Z')`);
  pool = await new DataSource(dataSourceOptions(database.url, 4)).initialize();
});
afterAll(async () => {
  await pool.destroy();
  await database.drop();
});

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  const [outcome] = await Promise.allSettled([work]);
  if (outcome.status === 'fulfilled') throw new Error('Expected an error');
  return outcome.reason;
}

/** Every question one can ask of an error, and which of them it answers with yes. */
const QUESTIONS = { isConnectionLost, isLockTimeout, isPoolTimeout, isTransactionConflict };
const traitsOf = (error: unknown) =>
  Object.entries(QUESTIONS).flatMap(([question, ask]) => (ask(error) ? [question] : []));

describe.each<[kind: string, run: (manager: EntityManager, sql: string) => Promise<unknown>]>([
  ['a plain statement', (manager, sql) => manager.query(sql)],
  ['a prepared statement', (manager, sql) => prepared(manager, `test/${sql}`.slice(0, 63), sql, [])],
])('an error of %s', (_, run) => {
  const fail = (sql: string) => failureOf(inTransaction(pool, (manager) => run(manager, sql)));

  it('for a unique violation names its constraint', async () => {
    const error = await fail(`INSERT INTO seats VALUES (1, 'carol')`);
    expect(sqlState(error)).toBe('23505');
    expect(violatesUnique(error, 'seats_pkey')).toBe(true);
    expect(violatesUnique(error, 'seats_guest_key')).toBe(false);
    expect(traitsOf(error)).toEqual([]);
  });

  it('for a unique violation in a month names the constraint of the whole table', async () => {
    const visit = `INSERT INTO visits VALUES ('2030-01-05Z', 'alice'), ('2030-01-05Z', 'alice')`;
    const error = await fail(visit);
    expect(error).toMatchObject({ message: expect.stringContaining('"visits_203001_guest_at_key"') });
    expect(violatesUnique(error, 'visits_guest_at_key')).toBe(true);
    expect(violatesUnique(error, 'visits_at_key')).toBe(false);
    expect(rowWithoutPartition(error)).toBeUndefined();
  });

  it('for a row whose month does not exist tells which row that is', async () => {
    const sql = `INSERT INTO visits VALUES ('2030-02-01T00:00:00.123Z', ') = (')`;
    // Not by inTransaction, which would make that month.
    const error = await failureOf(pool.transaction((manager) => run(manager, sql)));
    expect(rowWithoutPartition(error)).toEqual({ table: 'visits', key: '2030-02-01 00:00:00.123+00' });
    expect(violatesUnique(error, 'visits_guest_at_key')).toBe(false);
    expect(traitsOf(error)).toEqual([]);
  });

  it.each([
    ['a check that has a name', `INSERT INTO visits VALUES ('2030-01-05Z', '')`],
    [
      'a month that a row does not belong to',
      `INSERT INTO visits_203001 VALUES ('2031-01-05Z', '(at) = (1)')`,
    ],
    [
      'an error that only looks like one',
      `DO $$ BEGIN RAISE check_violation USING DETAIL = '(at) = (1)'; END $$`,
    ],
  ])('for %s is told apart from a month that does not exist', async (_, sql) => {
    const error = await fail(sql);
    expect(sqlState(error)).toBe('23514');
    expect(rowWithoutPartition(error)).toBeUndefined();
  });

  it('for another violation of a constraint is no unique violation', async () => {
    const error = await fail('INSERT INTO seats VALUES (NULL)');
    expect(sqlState(error)).toBe('23502');
    expect(violatesUnique(error, 'seats_pkey')).toBe(false);
    expect(traitsOf(error)).toEqual([]);
  });

  it('for a lock that was not granted in time is told apart', async () => {
    await inTransaction(pool, async (holder) => {
      await holder.query('SELECT 1 FROM seats FOR UPDATE');
      const error = await failureOf(
        inTransaction(pool, async (manager) => {
          await manager.query(`SET LOCAL lock_timeout = '1ms'`);
          await run(manager, 'UPDATE seats SET taken = 1');
        }),
      );
      expect(traitsOf(error)).toEqual(['isLockTimeout']);
    });
  });

  it('for a deadlock, and for a failed serialization, is a conflict: the transaction may simply run again', async () => {
    const meeting = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
    const takeBoth = (own: 1 | 2, other: 1 | 2) =>
      inTransaction(pool, async (manager) => {
        await run(manager, `UPDATE seats SET taken = taken + 1 WHERE number = ${own}`);
        meeting[own - 1]?.resolve();
        await meeting[other - 1]?.promise;
        await run(manager, `UPDATE seats SET taken = taken + 1 WHERE number = ${other}`);
      });
    const outcomes = await Promise.allSettled([takeBoth(1, 2), takeBoth(2, 1)]);
    const deadlock = outcomes.find((outcome) => outcome.status === 'rejected');
    expect(sqlState(deadlock?.reason)).toBe('40P01');
    expect(traitsOf(deadlock?.reason)).toEqual(['isTransactionConflict']);

    const serialization = await failureOf(
      inTransaction(pool, async (manager) => {
        await manager.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ');
        await manager.query('SELECT 1 FROM seats');
        await database.query('UPDATE seats SET taken = taken + 1');
        await run(manager, 'UPDATE seats SET taken = taken + 1');
      }),
    );
    expect(sqlState(serialization)).toBe('40001');
    expect(traitsOf(serialization)).toEqual(['isTransactionConflict']);
  });
});

describe('an error of the connection', () => {
  it.each(['127.0.0.1', 'localhost'])('that nobody accepts (at %s) is told apart', async (hostname) => {
    const url = Object.assign(new URL(database.url), { hostname, port: '1' }).href;
    expect(traitsOf(await failureOf(new DataSource(dataSourceOptions(url, 1)).initialize()))).toEqual([
      'isConnectionLost',
    ]);
  });

  it.each([
    '08001',
    '08006',
    '57P01',
    '57P02',
    '57P03',
    '57P05',
    '53300',
    'EPIPE',
    'ETIMEDOUT',
    'EAI_AGAIN',
    'ENETUNREACH',
  ])('with the code %s is told apart', (code) => {
    expect(traitsOf(Object.assign(new Error('lost'), { code }))).toEqual(['isConnectionLost']);
  });

  it.each(['57014', '25P02', '53200', '42501'])('is not what %s means', (code) => {
    expect(traitsOf(Object.assign(new Error('not lost'), { code }))).toEqual([]);
  });
});

describe('what is no error of the database', () => {
  it.each<[what: string, error: unknown]>([
    ['an error of our own', new TypeError('x is not a function')],
    [
      'an error with a code that is no SQLSTATE',
      Object.assign(new Error('no such file'), { code: 'ENOENT' }),
    ],
    ['a text', 'Connection terminated'],
    ['null', null],
    ['nothing', undefined],
  ])('(%s) has no SQLSTATE and no meaning', (_, error) => {
    expect(sqlState(error)).toBeUndefined();
    expect(violatesUnique(error, 'seats_pkey')).toBe(false);
    expect(traitsOf(error)).toEqual([]);
  });
});
