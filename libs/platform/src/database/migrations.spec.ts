import { mkdir, mkdtemp, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { DataSource } from 'typeorm';

import { createTestDatabase, type TestDatabase } from '../../../../test/support/database.js';
import { waitFor } from '../../../../test/support/wait-for.js';
import { dataSourceOptions } from './data-source-options.js';
import { migrate } from './migrations.js';

let database: TestDatabase;
let replicas: DataSource[];
/** The folder of the libraries. */
let libraries: string;

beforeAll(async () => {
  database = await createTestDatabase();
  // Two pools, as two replicas have them. Their patience is short, so that nothing may depend on it.
  const options = dataSourceOptions(database.url, 2);
  const impatient = {
    ...options,
    extra: { ...(options.extra as object), statement_timeout: 250, lock_timeout: 250 },
  };
  replicas = await Promise.all([0, 1].map(() => new DataSource(impatient).initialize()));
});
afterAll(async () => {
  await Promise.all(replicas.map((replica) => replica.destroy()));
  await database.drop();
});
beforeEach(async () => {
  await database.query('DROP SCHEMA public CASCADE');
  await database.query('CREATE SCHEMA public');
  libraries = await mkdtemp(join(tmpdir(), 'daybook-migrations-'));
});
afterEach(() => rm(libraries, { recursive: true }));

const run = (replica = 0) => migrate(replicas[replica] as DataSource, libraries);

async function write(path: string, sql: string): Promise<void> {
  const file = join(libraries, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, sql);
}

const FIRST = 'stones/migrations/20260101_1000_stones.sql';
const SECOND = 'bricks/migrations/20260102_1000_bricks.sql';

const tables = async () =>
  (
    await database.query<{ name: string }>(
      `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1`,
    )
  )
    .map(({ name }) => name)
    .filter((name) => name !== 'schema_migrations');

const recorded = async () =>
  (await database.query<{ name: string }>('SELECT name FROM schema_migrations ORDER BY 1')).map(
    ({ name }) => name,
  );

describe('migrating', () => {
  it('applies the files of all libraries by the order of their names, whichever library they are of', async () => {
    await write(SECOND, 'CREATE TABLE bricks (of_stone integer REFERENCES stones)');
    await write(FIRST, 'CREATE TABLE stones (id integer PRIMARY KEY)');
    expect(await run()).toEqual(['20260101_1000_stones', '20260102_1000_bricks']);
    expect(await tables()).toEqual(['bricks', 'stones']);
    expect(await recorded()).toEqual(['20260101_1000_stones', '20260102_1000_bricks']);
  });

  it('applies each file once', async () => {
    await write(FIRST, 'CREATE TABLE stones (id integer)');
    await run();
    expect(await run()).toEqual([]);
    expect(await run(1)).toEqual([]);
  });

  it('applies a file that came later, even one whose name comes earlier', async () => {
    await write(SECOND, 'CREATE TABLE bricks (id integer)');
    await run();
    await write(FIRST, 'CREATE TABLE stones (id integer)');
    expect(await run()).toEqual(['20260101_1000_stones']);
  });

  it('heeds only SQL files in the folder migrations of a library', async () => {
    await write(FIRST, 'CREATE TABLE stones (id integer)');
    await write('stones/migrations/README.md', 'no SQL');
    await write('stones/migrations/old/20250101_1000_old.sql', 'no SQL');
    await write('stones/src/20250101_1000_src.sql', 'no SQL');
    expect(await run()).toEqual(['20260101_1000_stones']);
  });

  it('runs a file of several statements, and one that takes longer than any other statement may', async () => {
    await write(
      FIRST,
      'CREATE TABLE stones (id integer); INSERT INTO stones SELECT pg_backend_pid() FROM pg_sleep(0.4);',
    );
    await run();
    expect(await database.query('SELECT 1 FROM stones')).toHaveLength(1);
  });

  it('leaves the connection as impatient as it was', async () => {
    await write(FIRST, 'CREATE TABLE stones (id integer)');
    await run();
    const settings = `SELECT current_setting('statement_timeout') AS statement, current_setting('lock_timeout') AS lock`;
    for (const replica of replicas)
      expect(await replica.query(settings)).toEqual([{ statement: '250ms', lock: '250ms' }]);
  });
});

describe('replicas that start together', () => {
  it('take turns: every file is applied by one of them, and all of them find the tables', async () => {
    await write(FIRST, 'CREATE TABLE stones (id integer); INSERT INTO stones VALUES (1)');
    await write(SECOND, 'CREATE TABLE bricks (id integer)');
    const applied = await Promise.all([run(0), run(1), run(0), run(1)]);
    expect(applied.flat().toSorted()).toEqual(['20260101_1000_stones', '20260102_1000_bricks']);
    expect(await database.query('SELECT id FROM stones')).toEqual([{ id: 1 }]);
  });

  it('wait for one that takes long, longer than any lock or statement may take otherwise', async () => {
    await database.query('CREATE TABLE gate AS SELECT false AS is_open');
    await write(
      FIRST,
      `CREATE TABLE stones (id integer);
       DO $$ BEGIN WHILE NOT (SELECT is_open FROM gate) LOOP PERFORM pg_sleep(0.01); END LOOP; END $$`,
    );
    const first = run(0);
    try {
      await waitFor('the first replica to be held up at the gate', () => isRunning('%FROM gate%'));
      const second = run(1);
      await waitFor('the second one to have waited past its patience', () =>
        isRunning('%pg_advisory_lock($1)'),
      );
      await database.query('UPDATE gate SET is_open = true');
      expect(await Promise.all([first, second])).toEqual([['20260101_1000_stones'], []]);
    } finally {
      await database.query('UPDATE gate SET is_open = true');
      await first;
    }
  });
});

/** True when such a statement has been running for longer than the replicas' patience. */
async function isRunning(statement: string): Promise<boolean> {
  const rows = await database.query(
    `SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE $1 AND datname = current_database()
     AND pid <> pg_backend_pid() AND clock_timestamp() - query_start > interval '400 milliseconds'`,
    [statement],
  );
  return rows.length > 0;
}

describe('a file that fails', () => {
  it('is rolled back as a whole, named in the error, and what follows is not applied', async () => {
    await write('a/migrations/20250101_1000_fine.sql', 'CREATE TABLE fine (id integer)');
    await write(FIRST, 'CREATE TABLE stones (id integer); SELECT 1 / 0');
    await write(SECOND, 'CREATE TABLE bricks (id integer)');
    const failure = run();
    await expect(failure).rejects.toThrow('Migration 20260101_1000_stones failed');
    await expect(failure).rejects.toMatchObject({
      cause: { message: expect.stringContaining('division by zero') },
    });
    expect(await tables()).toEqual(['fine']);
    expect(await recorded()).toEqual(['20250101_1000_fine']);
  });

  it('is also one that waits too long for a table in use: it must not hold up everybody else', async () => {
    await database.query('CREATE TABLE in_use (id integer)');
    const user = (replicas[1] as DataSource).createQueryRunner();
    await user.startTransaction();
    await user.query('SELECT 1 FROM in_use');
    await write(FIRST, 'ALTER TABLE in_use ADD note text');
    await expect(run()).rejects.toMatchObject({ cause: { code: '55P03' } });
    await user.rollbackTransaction();
    await user.release();
    expect(await run()).toEqual(['20260101_1000_stones']);
  });

  it('can be mended, and then applies', async () => {
    await write(FIRST, 'CREATE TABLE stones (id integer');
    await expect(run()).rejects.toThrow('failed');
    await write(FIRST, 'CREATE TABLE stones (id integer)');
    expect(await run()).toEqual(['20260101_1000_stones']);
  });

  it('does not keep the next replica from its turn', async () => {
    await write(FIRST, 'SELECT 1 / 0');
    await expect(run(0)).rejects.toThrow('failed');
    await write(FIRST, 'CREATE TABLE stones (id integer)');
    expect(await run(1)).toEqual(['20260101_1000_stones']);
  });
});

describe('a database that is not what the files say', () => {
  it('is refused when a file was changed after it was applied, even by a blank, and nothing new is applied', async () => {
    await write(FIRST, 'CREATE TABLE stones (id integer)');
    await run();
    await write(FIRST, 'CREATE TABLE stones (id integer) ');
    await write(SECOND, 'CREATE TABLE bricks (id integer)');
    await expect(run()).rejects.toThrow('Migration 20260101_1000_stones was changed after it was applied');
    expect(await tables()).toEqual(['stones']);
  });

  it('is refused when it has a migration that this version does not know: it belongs to a newer one', async () => {
    await write(FIRST, 'CREATE TABLE stones (id integer)');
    await write(SECOND, 'CREATE TABLE bricks (id integer)');
    await run();
    await unlink(join(libraries, SECOND));
    await expect(run()).rejects.toThrow('migration 20260102_1000_bricks, which this version does not know');
  });

  it('is accepted when only the library of a file has another name', async () => {
    await write(FIRST, 'CREATE TABLE stones (id integer)');
    await run();
    await unlink(join(libraries, FIRST));
    await write(FIRST.replace('stones/', 'rocks/'), 'CREATE TABLE stones (id integer)');
    expect(await run()).toEqual([]);
  });
});

it('the migrations of this version apply to an empty database, and then there is nothing left to apply', async () => {
  const [replica] = replicas as [DataSource];
  expect(await migrate(replica)).not.toEqual([]);
  expect(await migrate(replica)).toEqual([]);
});
