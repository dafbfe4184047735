import { DataSource } from 'typeorm';

import { createTestDatabase, type TestDatabase } from '../../../../test/support/database.js';
import { withHeldLocks } from '../../../../test/support/held-locks.js';
import { loadConfig } from '../config/config.js';
import { dataSourceOptions } from '../database/data-source-options.js';
import { inTransaction } from '../database/transaction.js';
import { PartitionPreparation } from './partition-preparation.js';
import { PartitionStore } from './partition-store.js';

const MAKERS = 24;

let database: TestDatabase;
let pool: DataSource;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = await new DataSource(dataSourceOptions(database.url, MAKERS)).initialize();
  await database.query(`
    CREATE TABLE tickets (id bigint PRIMARY KEY, guest text NOT NULL CHECK (guest <> '')) PARTITION BY RANGE (id);
    CREATE INDEX tickets_by_guest ON tickets (guest) WITH (fillfactor = 70);
    CREATE TABLE visits (number bigint GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL) PARTITION BY RANGE (at);
    INSERT INTO partitioned_tables (name, key, completion) VALUES
      ('tickets', 'number', 'ALTER TABLE %1$I SET (fillfactor = 80)'),
      ('visits', 'time', 'ALTER TABLE %1$I ADD PRIMARY KEY (number)')`);
});
afterAll(async () => {
  await pool.destroy();
  await database.drop();
});

const make = async (month: string) =>
  (await database.query<{ name: string }>('SELECT make_partitions($1) AS name', [month])).map(
    ({ name }) => name,
  );

/** Those of this test among them. */
const splitTables = async () =>
  (
    await database.query<{ name: string }>(`SELECT name FROM partitioned_tables ORDER BY name COLLATE "C"`)
  ).map(({ name }) => name);

const one = async <T>(sql: string) =>
  (await database.query<{ value: T }>(`SELECT ${sql} AS value`))[0]?.value;

/** In which table a row ends up, or why in none. */
const placeOf = async (table: string, columns: string) => {
  const insert = `INSERT INTO ${table} VALUES (${columns}) RETURNING tableoid::regclass::text AS place`;
  const [outcome] = await Promise.allSettled([database.query<{ place: string }>(insert)]);
  return outcome.status === 'fulfilled' ? outcome.value[0]?.place : (outcome.reason as Error).message;
};

describe('a month', () => {
  it('is made for every table that is split into months, once', async () => {
    const made = await make('203001');
    expect(made).toEqual((await splitTables()).map((table) => `${table}_203001`));
    expect(made).toEqual(expect.arrayContaining(['orders_203001', 'tickets_203001', 'visits_203001']));
    expect(await make('203001')).toEqual([]);
  });

  it('is completed when a table has come to those that are split', async () => {
    await make('203002');
    await database.query(`DROP TABLE tickets_203002`);
    expect(await make('203002')).toEqual(['tickets_203002']);
  });

  it('holds the numbers of its days and the times of its days by UTC, and nothing of its neighbours', async () => {
    await make('202912');
    await make('203001');
    const none = 'no partition of relation "tickets" found for row';
    expect(await placeOf('tickets', `202911309999999999, 'a'`)).toBe(none);
    expect(await placeOf('tickets', `202912010000000000, 'a'`)).toBe('tickets_202912');
    expect(await placeOf('tickets', `202912319999999999, 'a'`)).toBe('tickets_202912');
    expect(await placeOf('tickets', `203001010000000000, 'a'`)).toBe('tickets_203001');
    expect(await placeOf('visits', `DEFAULT, '2029-12-31T23:59:59.999Z'`)).toBe('visits_202912');
    expect(await placeOf('visits', `DEFAULT, '2030-01-01T00:00:00.000Z'`)).toBe('visits_203001');
  });

  it('is the same whatever time zone the connection has that makes it', async () => {
    await inTransaction(pool, async (manager) => {
      await manager.query(`SET LOCAL timezone = 'Asia/Tokyo'`);
      await manager.query(
        `SELECT make_partitions('203003'), month_of_row('visits', '2030-04-01 05:00:00+09')`,
      );
    });
    expect(await placeOf('visits', `DEFAULT, '2030-03-01T00:00:00Z'`)).toBe('visits_203003');
    expect(await placeOf('visits', `DEFAULT, '2030-03-31T23:59:59.999Z'`)).toBe('visits_203003');
  });

  it('has what the table has: constraints, indexes with their options, and the storage of its kind', async () => {
    await make('203004');
    expect(await placeOf('tickets', `203004010000000001, ''`)).toContain('"tickets_guest_check"');
    expect(await one(`(SELECT reloptions FROM pg_class WHERE relname = 'tickets_203004')`)).toEqual([
      'fillfactor=80',
    ]);
    const indexes = await database.query<{ indexname: string; indexdef: string }>(
      `SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'tickets_203004' ORDER BY 1`,
    );
    expect(indexes).toEqual([
      {
        indexname: 'tickets_203004_guest_idx',
        indexdef: expect.stringContaining(`(guest) WITH (fillfactor='70')`),
      },
      { indexname: 'tickets_203004_pkey', indexdef: expect.stringContaining('UNIQUE') },
    ]);
  });

  it('is told from a row: by its number, or by its time in UTC', async () => {
    expect(await one(`month_of_row('orders', '203012310000000001')`)).toBe('203012');
    expect(await one(`month_of_row('visits', '2030-12-31 23:59:59.999+00')`)).toBe('203012');
    expect(await one(`month_of_row('visits', '2031-01-01 08:59:59.999+09')`)).toBe('203012');
  });
});

describe('making a month', () => {
  it('is done by one of many who lack it at once; the others find it made', async () => {
    // All have come as far as they get before the first of them can attach anything.
    const made = await withHeldLocks(database, ['journal'], async (whenWaiting) => {
      const makers = Array.from({ length: MAKERS }, (): Promise<unknown[]> =>
        pool.query(`SELECT make_partitions('203101')`),
      );
      await whenWaiting(MAKERS);
      return makers;
    });
    const { length: tables } = await splitTables();
    expect(made.map(({ length }) => length).toSorted()).toEqual([
      ...Array<number>(MAKERS - 1).fill(0),
      tables,
    ]);
  });

  it('waits for nobody who reads or writes, and keeps nobody waiting', async () => {
    await make('203102');
    await inTransaction(pool, async (busy) => {
      await busy.query(`INSERT INTO tickets VALUES (203102010000000001, 'alice')`);
      await busy.query('SELECT * FROM tickets, orders, journal');
      await inTransaction(pool, async (maker) => {
        await maker.query(`SET LOCAL lock_timeout = '1ms'`);
        await maker.query(`SELECT make_partitions('203103')`);
        await inTransaction(pool, async (other) => {
          await other.query(`SET LOCAL lock_timeout = '1ms'`);
          await other.query(`INSERT INTO tickets VALUES (203102010000000002, 'bob')`);
          await other.query('SELECT * FROM tickets, orders, journal');
        });
      });
    });
    expect(await placeOf('tickets', `203103010000000001, 'carol'`)).toBe('tickets_203103');
  });

  it('leaves nothing behind when it fails', async () => {
    await database.query(`UPDATE partitioned_tables SET completion = 'SELECT 1 / 0' WHERE name = 'visits'`);
    await expect(make('203104')).rejects.toThrow('division by zero');
    await database.query(`UPDATE partitioned_tables SET completion = '' WHERE name = 'visits'`);
    expect(await one(`to_regclass('orders_203104')`)).toBeNull();
    expect(await make('203104')).toHaveLength((await splitTables()).length);
  });

  it('refuses a name that is taken by a table of its own, instead of taking it for the month', async () => {
    await database.query('CREATE TABLE tickets_203105 (id bigint)');
    await expect(make('203105')).rejects.toThrow('relation "tickets_203105" already exists');
  });
});

describe('the preparation', () => {
  const prepare = (timezone: string) => {
    const config = { ...loadConfig({}), businessTimezone: timezone };
    return new PartitionPreparation(pool, new PartitionStore(pool, config)).onApplicationBootstrap();
  };
  const monthsFrom = async (first: string) =>
    one<string[]>(`(SELECT array_agg(right(relname, 6) ORDER BY relname) FROM pg_class
      WHERE relname ~ '^orders_\\d{6}$' AND relname >= 'orders_${first}')`);

  it.each([
    ['UTC', '2040-01-31T23:59:00Z', ['204001', '204002', '204003']],
    ['Pacific/Kiritimati', '2041-11-30T11:00:00Z', ['204112', '204201', '204202']],
    ['America/Los_Angeles', '2043-02-01T07:00:00Z', ['204301', '204302', '204303']],
  ])('in %s at %s makes the months of the business %j', async (timezone, time, months) => {
    await database.shiftTime(`${Date.parse(time) - Date.now()} milliseconds`);
    await prepare(timezone);
    expect(await monthsFrom(months[0] as string)).toEqual(months);
    await prepare(timezone);
    expect(await monthsFrom(months[0] as string)).toEqual(months);
  });
});
