import { DataSource } from 'typeorm';

import { createTestDatabase, type TestDatabase } from '../../../../test/support/database.js';
import { runJob } from '../../../../test/support/run-job.js';
import { loadConfig } from '../config/config.js';
import { dataSourceOptions } from '../database/data-source-options.js';
import { inTransaction } from '../database/transaction.js';
import { JobRun } from '../jobs/job-run.js';
import { PartitionRetention } from './partition-retention.js';
import { PartitionStore } from './partition-store.js';

const TODAY = '2030-06-15T12:00:00Z';

let database: TestDatabase;
let pool: DataSource;

beforeEach(async () => {
  database = await createTestDatabase();
  pool = await new DataSource(dataSourceOptions(database.url, 4)).initialize();
  await database.shiftTime(`${Date.parse(TODAY) - Date.now()} milliseconds`);
  await database.query(`
    DELETE FROM partitioned_tables;
    CREATE TABLE tickets (id bigint PRIMARY KEY, is_open boolean NOT NULL DEFAULT false) PARTITION BY RANGE (id);
    CREATE TABLE stubs (ticket_id bigint NOT NULL) PARTITION BY RANGE (ticket_id);
    CREATE TABLE visits (at timestamptz NOT NULL) PARTITION BY RANGE (at);
    INSERT INTO partitioned_tables (name, key, part_of) VALUES
      ('tickets', 'number', NULL), ('stubs', 'number', 'tickets'), ('visits', 'time', NULL);
    SELECT make_partitions('20300' || month) FROM generate_series(1, 6) AS month;
    INSERT INTO tickets SELECT ('20300' || month || '150000000001')::bigint FROM generate_series(1, 6) AS month;
    INSERT INTO stubs SELECT id FROM tickets;
    INSERT INTO visits SELECT make_timestamptz(2030, month, 15, 12, 0, 0) FROM generate_series(1, 6) AS month`);
});
afterEach(async () => {
  await pool.destroy();
  await database.drop();
});

function retentionOf(environment: NodeJS.ProcessEnv): PartitionRetention {
  const config = loadConfig(environment);
  const retention = new PartitionRetention(config, new PartitionStore(pool, config));
  retention.keepMonthsWith({ table: 'tickets', condition: 'is_open', description: 'tickets that are open' });
  return retention;
}

/** Keeps the given number of months behind June: of three, the first months that go are January and February. */
const detachAllBut = (retentionMonths: string) =>
  runJob(retentionOf({ RETENTION_MONTHS: retentionMonths }), pool);

const monthsOf = async (table: 'tickets' | 'stubs' | 'visits') => {
  const key = {
    tickets: 'left(id::text, 6)',
    stubs: 'left(ticket_id::text, 6)',
    visits: `to_char(at, 'YYYYMM')`,
  }[table];
  const rows = await database.query<{ month: string }>(`SELECT ${key} AS month FROM ${table} ORDER BY 1`);
  return rows.map(({ month }) => month);
};

const tablesIn = async (schema: string) =>
  (
    await database.query<{ name: string }>(
      `SELECT tablename AS name FROM pg_tables WHERE schemaname = $1 AND tablename ~ '_20300\\d$' ORDER BY 1`,
      [schema],
    )
  ).map(({ name }) => name);

const detachedUntil = async () =>
  (await database.query<{ value: string }>(`SELECT value FROM settings WHERE name = 'detached_until'`))[0]
    ?.value;

const open = (month: string) =>
  database.query(`UPDATE tickets SET is_open = true WHERE id / 1000000000000 = ${month}`);
const close = () => database.query('UPDATE tickets SET is_open = false');

describe('old months', () => {
  it('all stay when nothing says how many to keep', async () => {
    await runJob(retentionOf({}), pool);
    expect(await monthsOf('tickets')).toHaveLength(6);
    expect(await tablesIn('detached')).toEqual([]);
    expect(await detachedUntil()).toBeUndefined();
  });

  it('leave their tables and stay in the database; what is kept by time stays a month longer', async () => {
    await detachAllBut('3');
    expect(await monthsOf('tickets')).toEqual(['203003', '203004', '203005', '203006']);
    expect(await monthsOf('stubs')).toEqual(['203003', '203004', '203005', '203006']);
    expect(await monthsOf('visits')).toEqual(['203002', '203003', '203004', '203005', '203006']);
    expect(await tablesIn('detached')).toEqual([
      'stubs_203001',
      'stubs_203002',
      'tickets_203001',
      'tickets_203002',
      'visits_203001',
    ]);
    expect(await database.query('SELECT id FROM detached.tickets_203001')).toEqual([
      { id: '203001150000000001' },
    ]);
    expect(await detachedUntil()).toBe('203002');
    expect(await detachAllBut('3')).toBe(0);
    expect(await detachedUntil()).toBe('203002');
  });

  it('are counted by the time zone of the business', async () => {
    await database.shiftTime(`${Date.parse('2030-06-30T22:30:00Z') - Date.now()} milliseconds`);
    await runJob(retentionOf({ RETENTION_MONTHS: '3', BUSINESS_TIMEZONE: 'Europe/Berlin' }), pool);
    expect((await monthsOf('tickets'))[0]).toBe('203004');
  });

  it('are detached no further when the run is asked to end', async () => {
    const run = new JobRun(pool, {
      job: 'detach',
      fence: '1',
      runId: '1',
      leaseSeconds: 60,
      scheduledFor: null,
    });
    run.abort(new Error('the server stops'));
    await expect(retentionOf({ RETENTION_MONTHS: '3' }).run(run)).rejects.toThrow('the server stops');
    expect(await monthsOf('tickets')).toHaveLength(6);
  });

  it('are not made again by a clock that was put back: their numbers are taken', async () => {
    await detachAllBut('3');
    await database.query('DROP TABLE detached.tickets_203001');
    await expect(database.query(`SELECT make_partitions('203001')`)).rejects.toThrow(
      /_203001 was detached and is not made again: is the clock right\?$/,
    );
    expect(await database.query(`SELECT make_partitions('203003')`)).toEqual([]);
  });

  it('can be brought back', async () => {
    await detachAllBut('3');
    await database.query('ALTER TABLE detached.tickets_203002 SET SCHEMA public');
    await database.query(`SELECT attach_partition('tickets', '203002')`);
    expect((await monthsOf('tickets'))[0]).toBe('203002');
  });
});

describe('a month in which a row is in use', () => {
  it('stays, with what is part of it, and the run says why; later months go', async () => {
    await open('203001');
    await expect(detachAllBut('3')).rejects.toThrow(
      'These months stay: tickets_203001 (tickets that are open: 1)',
    );
    expect((await monthsOf('tickets')).slice(0, 2)).toEqual(['203001', '203003']);
    expect((await monthsOf('stubs')).slice(0, 2)).toEqual(['203001', '203003']);
  });

  it('keeps all that is kept by time from then on, because it may tell of that row', async () => {
    await open('203001');
    await expect(detachAllBut('2')).rejects.toThrow('tickets_203001');
    expect(await monthsOf('visits')).toHaveLength(6);
  });

  it('goes with the run after the row is no longer in use', async () => {
    await open('203001');
    await expect(detachAllBut('3')).rejects.toThrow('tickets_203001');
    await close();
    await detachAllBut('3');
    expect((await monthsOf('tickets'))[0]).toBe('203003');
    expect((await monthsOf('visits'))[0]).toBe('203002');
  });

  it('comes back when the row was taken into use at the last moment, and the run before ended there', async () => {
    await open('203001');
    await database.query('ALTER TABLE tickets DETACH PARTITION tickets_203001');
    await expect(detachAllBut('3')).rejects.toThrow('tickets_203001');
    expect((await monthsOf('tickets')).slice(0, 2)).toEqual(['203001', '203003']);
  });
});

describe('a transaction that takes long', () => {
  /** What happens while somebody has read the tickets and not yet committed. */
  const whileInUse = (work: () => Promise<void>) =>
    inTransaction(pool, async (reader) => {
      await reader.query('SELECT FROM tickets');
      await work();
    });

  it('is not waited for: the month is out of sight, and the next run finishes it', async () => {
    await whileInUse(async () => {
      await expect(detachAllBut('3')).rejects.toThrow('tickets_203001 is in use by a long transaction');
    });
    expect(await monthsOf('tickets')).toEqual(['203002', '203003', '203004', '203005', '203006']);
    expect(await monthsOf('stubs')).toHaveLength(6);
    expect(await tablesIn('detached')).toEqual([]);
    expect(await detachedUntil()).toBe('203001');
    await detachAllBut('3');
    expect((await monthsOf('stubs'))[0]).toBe('203003');
    expect(await tablesIn('detached')).toHaveLength(5);
  });

  it('does not stop a run that comes while it is still there from failing as before', async () => {
    await whileInUse(async () => {
      await expect(detachAllBut('3')).rejects.toThrow('tickets_203001');
      await expect(detachAllBut('3')).rejects.toThrow('tickets_203001');
    });
    await detachAllBut('3');
    expect(await tablesIn('detached')).toHaveLength(5);
  });

  it('may have left a later month half-way; it is finished before an earlier one is begun', async () => {
    await open('203001');
    await whileInUse(async () => {
      await expect(detachAllBut('3')).rejects.toThrow('tickets_203002');
    });
    await close();
    await detachAllBut('3');
    expect(await tablesIn('detached')).toHaveLength(5);
  });

  it('does not keep coming months from being made', async () => {
    await whileInUse(async () => {
      await expect(detachAllBut('3')).rejects.toThrow('tickets_203001');
      expect(await database.query(`SELECT make_partitions('203007')`)).toHaveLength(3);
    });
  });
});

describe('a run that was cut short', () => {
  it.each([
    ['before the first month was detached', `INSERT INTO settings VALUES ('detached_until', '203001')`],
    ['between a month and its parts', 'ALTER TABLE tickets DETACH PARTITION tickets_203001'],
    [
      'when a month was put away and its parts were not',
      `ALTER TABLE tickets DETACH PARTITION tickets_203001; ALTER TABLE tickets_203001 SET SCHEMA detached;
       ALTER TABLE stubs DETACH PARTITION stubs_203001`,
    ],
  ])('%s is completed by the next', async (_, done) => {
    await database.query(done);
    await detachAllBut('3');
    expect(await tablesIn('detached')).toHaveLength(5);
    expect(await monthsOf('stubs')).toHaveLength(4);
  });
});
