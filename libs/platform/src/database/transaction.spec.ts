import { DataSource } from 'typeorm';

import { createTestDatabase, type TestDatabase } from '../../../../test/support/database.js';
import { waitFor } from '../../../../test/support/wait-for.js';
import { dataSourceOptions } from './data-source-options.js';
import { isConnectionLost, isPoolTimeout, violatesUnique } from './database-errors.js';
import {
  CommitOutcomeUnknown,
  inRepeatedTransaction,
  inTransaction,
  prepared,
  RetryTransaction,
  together,
} from './transaction.js';

let database: TestDatabase;
let pool: DataSource;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.query('CREATE TABLE notes (text text PRIMARY KEY)');
  await database.query('CREATE TABLE judged (text text)');
  await database.query('CREATE TABLE held_up (text text)');
  await database.query(`
    CREATE TABLE visits (at timestamptz PRIMARY KEY) PARTITION BY RANGE (at);
    CREATE TABLE unknown_visits (at timestamptz PRIMARY KEY) PARTITION BY RANGE (at);
    INSERT INTO partitioned_tables (name, key) VALUES ('visits', 'time')`);
  // These speak up only at COMMIT: one refuses, the other waits at a gate.
  await database.query(`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
      AS $$ BEGIN RAISE EXCEPTION 'refused at last' USING ERRCODE = '23514'; END $$;
    CREATE CONSTRAINT TRIGGER judged_at_commit AFTER INSERT ON judged
      DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse();
    CREATE FUNCTION wait_at_the_gate() RETURNS trigger LANGUAGE plpgsql
      AS $$ BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER held_up_at_commit AFTER INSERT ON held_up
      DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_at_the_gate()`);
  // The smallest pool, so that a connection which is not given back is missed at once.
  pool = await new DataSource({ ...dataSourceOptions(database.url, 1), connectTimeoutMS: 500 }).initialize();
});
afterAll(async () => {
  await pool.destroy();
  await database.drop();
});
beforeEach(() => database.query('TRUNCATE notes, judged, held_up'));

const notes = async () =>
  (await database.query<{ text: string }>('SELECT text FROM notes ORDER BY 1')).map(({ text }) => text);

const ADD = 'INSERT INTO notes VALUES ($1)';

/** The error that the promise is rejected with. */
async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  const nothing = Symbol('no error');
  const error: unknown = await promise.then(
    () => nothing,
    (reason: unknown) => reason,
  );
  if (error === nothing) throw new Error('Expected an error');
  return error;
}

/** Ends a server process and waits until it is gone. */
async function terminate(pid: number): Promise<void> {
  await database.query('SELECT pg_terminate_backend($1)', [pid]);
  await waitFor('the server process to be gone', async () => {
    const rows = await database.query('SELECT 1 FROM pg_stat_activity WHERE pid = $1', [pid]);
    return rows.length === 0;
  });
}

async function expectPoolToWork(): Promise<void> {
  await inTransaction(pool, (manager) => manager.query(ADD, ['the pool works']));
  expect(await notes()).toContain('the pool works');
}

describe('a transaction', () => {
  it('is seen by others only once it is committed, and gives back what the work gave', async () => {
    const answer = await inTransaction(pool, async (manager) => {
      await manager.query(ADD, ['a']);
      expect(await notes()).toEqual([]);
      return 'the answer';
    });
    expect(answer).toBe('the answer');
    expect(await notes()).toEqual(['a']);
  });

  it('is rolled back when the work throws, and the error is the one thrown', async () => {
    const error = new Error('changed my mind');
    const failure = inTransaction(pool, async (manager) => {
      await manager.query(ADD, ['a']);
      throw error;
    });
    await expect(failure).rejects.toBe(error);
    expect(await notes()).toEqual([]);
    await expectPoolToWork();
  });

  it('is rolled back when a statement fails', async () => {
    const failure = inTransaction(pool, async (manager) => {
      await manager.query(ADD, ['a']);
      await manager.query(ADD, ['a']);
    });
    expect(violatesUnique(await failureOf(failure), 'notes_pkey')).toBe(true);
    expect(await notes()).toEqual([]);
    await expectPoolToWork();
  });

  it('is never reported as committed when the work kept a failed statement to itself', async () => {
    const failure = inTransaction(pool, async (manager) => {
      await manager.query(ADD, ['a']);
      await manager.query(ADD, ['a']).catch(() => 'nobody will know');
    });
    await expect(failure).rejects.toThrow();
    expect(await notes()).toEqual([]);
    await expectPoolToWork();
  });

  it('is rolled back when a deferred constraint refuses it at COMMIT, and that is no doubtful outcome', async () => {
    const failure = await failureOf(
      inTransaction(pool, (manager) => manager.query(`INSERT INTO judged VALUES ('a')`)),
    );
    expect(failure).not.toBeInstanceOf(CommitOutcomeUnknown);
    expect(failure).toMatchObject({ message: 'refused at last' });
    expect(await database.query('SELECT 1 FROM judged')).toEqual([]);
    await expectPoolToWork();
  });

  it('sees what others commit meanwhile: READ COMMITTED', async () => {
    await inTransaction(pool, async (manager) => {
      expect(await manager.query('SELECT 1 FROM notes')).toEqual([]);
      await database.query(ADD, ['b']);
      expect(await manager.query('SELECT text FROM notes')).toEqual([{ text: 'b' }]);
    });
  });

  it('that finds no free connection in time has done nothing, and is told apart', async () => {
    await inTransaction(pool, async () => {
      const failure = await failureOf(inTransaction(pool, (manager) => manager.query(ADD, ['a'])));
      expect(isPoolTimeout(failure)).toBe(true);
    });
    expect(await notes()).toEqual([]);
    await expectPoolToWork();
  });
});

describe('a row that is the first of its month', () => {
  const visit = (statement: (manager: Manager) => Promise<unknown>) =>
    inTransaction(pool, async (manager) => {
      await manager.query(ADD, ['a']);
      await statement(manager);
    });

  it.each<[kind: string, at: string, run: (manager: Manager, sql: string) => Promise<unknown>]>([
    ['a plain statement', '2030-01-01Z', (manager, sql) => manager.query(sql)],
    ['a prepared statement', '2030-02-01Z', (manager, sql) => prepared(manager, `test/${sql}`, sql, [])],
    [
      'a statement of several under way',
      '2030-03-01Z',
      (manager, sql) => together(manager.query(sql), manager.query(ADD, ['b'])),
    ],
  ])('of %s rolls the transaction back and makes its month: a new one finds it', async (_, at, run) => {
    const insert = (manager: Manager) => run(manager, `INSERT INTO visits VALUES ('${at}')`);
    expect(await failureOf(visit(insert))).toBeInstanceOf(RetryTransaction);
    expect(await notes()).toEqual([]);
    await visit(insert);
    expect(await notes()).toContain('a');
    expect(await database.query(`SELECT FROM visits WHERE at = '${at}'`)).toHaveLength(1);
  });

  it('in a table that nobody makes months for is an error that names the table', async () => {
    const failure = await failureOf(
      visit((manager) => manager.query(`INSERT INTO unknown_visits VALUES ('2030-01-01Z')`)),
    );
    expect(failure).not.toBeInstanceOf(RetryTransaction);
    expect(failure).toMatchObject({ message: 'table unknown_visits is not among partitioned_tables' });
    await expectPoolToWork();
  });
});

describe('a repeated transaction', () => {
  const conflict = () => new RetryTransaction('Somebody was faster', undefined);

  it('runs again when it lost against another, and what the lost runs did is rolled back', async () => {
    let runs = 0;
    const result = await inRepeatedTransaction(pool, async (manager) => {
      runs += 1;
      await manager.query(ADD, [`run ${runs}`]);
      if (runs < 3) throw conflict();
      return runs;
    });
    expect(result).toBe(3);
    expect(await notes()).toEqual(['run 3']);
  });

  it('gives up after a few times, with what it lost by', async () => {
    let runs = 0;
    const losing = inRepeatedTransaction(pool, async () => {
      runs += 1;
      throw conflict();
    });
    await expect(losing).rejects.toThrow('Somebody was faster');
    expect(runs).toBe(5);
  });

  it('runs once when it fails for a reason of its own', async () => {
    let runs = 0;
    const failing = inRepeatedTransaction(pool, async () => {
      runs += 1;
      throw new Error('No');
    });
    await expect(failing).rejects.toThrow('No');
    expect(runs).toBe(1);
  });
});

describe('a connection that breaks', () => {
  it('during COMMIT leaves the outcome unknown', async () => {
    const gate = await new DataSource(dataSourceOptions(database.url, 1)).initialize();
    await gate.query('SELECT pg_advisory_lock(4711)');
    const commit = failureOf(
      inTransaction(pool, (manager) => manager.query(`INSERT INTO held_up VALUES ('a')`)),
    );
    const pid = await waitFor('the COMMIT to be under way', async () => {
      const rows = await database.query<{ pid: number }>(
        `SELECT pid FROM pg_stat_activity WHERE query = 'COMMIT' AND wait_event = 'advisory' AND datname = current_database()`,
      );
      return rows[0]?.pid;
    });
    await terminate(pid);
    expect(await commit).toBeInstanceOf(CommitOutcomeUnknown);
    await gate.destroy();
    await expectPoolToWork();
  });

  it('before COMMIT was asked for leaves no doubt: nothing was done', async () => {
    const failure = await failureOf(
      inTransaction(pool, async (manager) => {
        await manager.query(ADD, ['a']);
        await terminateConnectionOf(manager);
      }),
    );
    expect(failure).not.toBeInstanceOf(CommitOutcomeUnknown);
    expect(isConnectionLost(failure)).toBe(true);
    expect(await notes()).toEqual([]);
    await expectPoolToWork();
  });

  it.each<[kind: string, statement: (manager: Manager) => Promise<unknown>]>([
    ['plain', (manager) => manager.query(ADD, ['b'])],
    ['prepared', (manager) => prepared(manager, 'test/add', ADD, ['b'])],
  ])('before a %s statement is told apart from a failure of the statement', async (_, statement) => {
    const failure = await failureOf(
      inTransaction(pool, async (manager) => {
        await manager.query(ADD, ['a']);
        await terminateConnectionOf(manager);
        await statement(manager);
      }),
    );
    expect(isConnectionLost(failure)).toBe(true);
    expect(await notes()).toEqual([]);
    await expectPoolToWork();
  });

  it('under a running statement is told apart from a failure of the statement', async () => {
    const failure = await failureOf(
      inTransaction(pool, async (manager) => {
        const [{ pid }] = (await manager.query('SELECT pg_backend_pid() AS pid')) as [{ pid: number }];
        await Promise.all([manager.query('SELECT pg_sleep(60)'), terminate(pid)]);
      }),
    );
    expect(isConnectionLost(failure)).toBe(true);
    await expectPoolToWork();
  });
});

type Manager = Parameters<Parameters<typeof inTransaction>[1]>[0];

/** Ends the server's side of a transaction's idle connection, and waits until our side has noticed. */
async function terminateConnectionOf(manager: Manager): Promise<void> {
  const [{ pid }] = (await manager.query('SELECT pg_backend_pid() AS pid')) as [{ pid: number }];
  const client = (await manager.queryRunner?.connect()) as NodeJS.EventEmitter;
  const noticed = new Promise((resolve) => client.once('end', resolve));
  await terminate(pid);
  await noticed;
}

describe('a prepared statement', () => {
  it('gives rows for every kind of statement', async () => {
    await inTransaction(pool, async (manager) => {
      const run = (text: string) => prepared(manager, `test/${text}`, text, []);
      expect(await run(`INSERT INTO notes VALUES ('a') RETURNING text`)).toEqual([{ text: 'a' }]);
      expect(await run(`UPDATE notes SET text = 'b' RETURNING text`)).toEqual([{ text: 'b' }]);
      expect(await run('SELECT text FROM notes')).toEqual([{ text: 'b' }]);
      expect(await run('DELETE FROM notes RETURNING text')).toEqual([{ text: 'b' }]);
      expect(await run('DELETE FROM notes')).toEqual([]);
    });
  });

  it('is parsed once per connection, however often it runs', async () => {
    const add = (text: string) =>
      inTransaction(pool, (manager) => prepared(manager, 'test/add-once', ADD, [text]));
    for (const text of ['a', 'b', 'c']) await add(text);
    const [statement] = (await pool.query(
      `SELECT generic_plans + custom_plans AS runs FROM pg_prepared_statements WHERE name = 'test/add-once'`,
    )) as [{ runs: string }];
    expect(statement).toEqual({ runs: '3' });
  });

  it('belongs to its transaction: it is rolled back with it', async () => {
    const failure = inTransaction(pool, async (manager) => {
      await prepared(manager, 'test/add', ADD, ['a']);
      throw new Error('changed my mind');
    });
    await expect(failure).rejects.toThrow('changed my mind');
    expect(await notes()).toEqual([]);
  });

  it('cannot slip out of a transaction', async () => {
    await expect(prepared(pool.manager, 'test/add', ADD, ['a'])).rejects.toThrow(
      'must run inside a transaction',
    );
  });
});

describe('statements that travel together', () => {
  it('fail with the error of the one that broke the transaction, wherever it stands among them', async () => {
    await database.query(`INSERT INTO notes VALUES ('taken')`);
    const work = inTransaction(pool, async (manager) => {
      const culprit = prepared(manager, 'test/insert', 'INSERT INTO notes VALUES ($1)', ['taken']);
      const bystander = prepared(manager, 'test/count', 'SELECT count(*) FROM notes', []);
      await together(bystander, culprit);
    });
    await expect(work).rejects.toMatchObject({ code: '23505' });
    const [row] = await inTransaction(pool, (manager) =>
      prepared<{ count: string }>(manager, 'test/count', 'SELECT count(*) FROM notes', []),
    );
    expect(row).toEqual({ count: '1' });
  });
});
