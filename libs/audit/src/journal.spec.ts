import { Test, type TestingModule } from '@nestjs/testing';
import fc from 'fast-check';
import pg from 'pg';
import { DataSource } from 'typeorm';

import {
  Answer,
  DomainError,
  DomainEvent,
  type EventData,
  inTransaction,
  loadConfig,
  PlatformModule,
  violatesUnique,
  type WriteCommand,
  WritePath,
} from '@daybook/platform';

import { createTestDatabase, type TestDatabase } from '../../../test/support/database.js';
import { waitFor } from '../../../test/support/wait-for.js';
import { AuditModule } from './audit.module.js';
import { Journal } from './journal.js';

class KettleBoiled extends DomainEvent {
  readonly type = 'kettle.boiled';
  readonly entityType = 'kettle';
}

class KettleBroken extends DomainError {
  readonly code = 'kettle_broken';
  readonly status = 409;
}

const AT = '2026-11-20T12:00:00.123Z';

const boiled = (id: string, version: number | null, data: EventData = { after: { degrees: 100 } }) =>
  new KettleBoiled(id, version, AT, { actor: 'alice', requestId: 'request-1' }, data);

let database: TestDatabase;
let module: TestingModule;
let pool: DataSource;

beforeAll(async () => {
  database = await createTestDatabase();
  const config = loadConfig({ DATABASE_POOL_SIZE: '4', AUTH_JWT_SECRET: 'x'.repeat(32) });
  module = await Test.createTestingModule({
    imports: [PlatformModule.forRoot({ ...config, databaseUrl: database.url }), AuditModule],
  }).compile();
  await module.init();
  pool = module.get(DataSource);
  await database.query(`SELECT make_partitions('202611')`);
});
afterAll(async () => {
  await module.close();
  await database.drop();
});

const journal = new Journal();
const write = (...events: DomainEvent[]) => inTransaction(pool, (manager) => journal.handle(events, manager));

/** The journal is never emptied: each test reads the rows of entities of its own. */
const rowsOf = (id: string) =>
  database.query<{ position: string; version: number; data: EventData }>(
    'SELECT * FROM journal WHERE entity_id = $1 ORDER BY position',
    [id],
  );

describe('the journal', () => {
  it('has one row for every event, with all that the event tells', async () => {
    await write(boiled('blue', 3, { before: { degrees: 20 }, after: { degrees: 100 }, reason: 'tea' }));
    expect(await rowsOf('blue')).toEqual([
      {
        position: expect.stringMatching(/^\d+$/),
        xid: expect.stringMatching(/^\d+$/),
        occurred_at: new Date(AT),
        actor: 'alice',
        request_id: 'request-1',
        type: 'kettle.boiled',
        entity_type: 'kettle',
        entity_id: 'blue',
        version: 3,
        data: { before: { degrees: 20 }, after: { degrees: 100 }, reason: 'tea' },
      },
    ]);
  });

  it('keeps the order of the events of a batch, and knows the transaction they were written by', async () => {
    const xid = await inTransaction(pool, async (manager) => {
      await journal.handle(
        [1, 2, 3].map((version) => boiled('red', version)),
        manager,
      );
      const [row] = (await manager.query('SELECT pg_current_xact_id()::text AS xid')) as [{ xid: string }];
      return row.xid;
    });
    const rows = await rowsOf('red');
    expect(rows.map(({ version }) => version)).toEqual([1, 2, 3]);
    expect(rows).toMatchObject([{ xid }, { xid }, { xid }]);
  });

  it('gives the data back as it was, whatever text is in it', async () => {
    // Control characters never get this far (input refuses them), and PostgreSQL's JSON has no NUL and no lone surrogate.
    const anyText = fc
      .string({ unit: 'binary' })
      .filter((text) => text.isWellFormed() && !text.includes('\0'));
    let version = 0;
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.constantFrom('name', 'note', 'ключ'), anyText), async (after) => {
        version += 1;
        await write(boiled('green', version, { after }));
        expect((await rowsOf('green')).at(-1)?.data).toEqual({ after: { ...after } });
      }),
      { numRuns: 30 },
    );
  });

  it('has the id of the transaction before it takes a position, as the event feed needs it', async () => {
    const holder = new pg.Client({ connectionString: database.url });
    await holder.connect();
    // Nobody gets a position until this is over.
    await holder.query('BEGIN; ALTER SEQUENCE journal_position_seq CACHE 1');
    const writing = write(boiled('brass', 1));
    try {
      const [writer] = await waitFor('the writer to wait for its position', async () => {
        const waiting = await database.query<{ hasId: boolean }>(
          `SELECT backend_xid IS NOT NULL AS "hasId" FROM pg_stat_activity
           WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        );
        return waiting.length > 0 && waiting;
      });
      expect(writer).toEqual({ hasId: true });
    } finally {
      await holder.end();
    }
    await writing;
    expect(await rowsOf('brass')).toHaveLength(1);
  });

  it('cannot have two rows for one version: the second change is refused as a whole', async () => {
    await write(boiled('grey', 1), boiled('grey', 2));
    const [outcome] = await Promise.allSettled([write(boiled('grey', 3), boiled('grey', 2))]);
    expect(outcome.status).toBe('rejected');
    expect(violatesUnique((outcome as PromiseRejectedResult).reason, 'journal_by_entity')).toBe(true);
    expect((await rowsOf('grey')).map(({ version }) => version)).toEqual([1, 2]);
  });

  it('may have any number of rows of an entity that has no versions', async () => {
    await write(boiled('white', null), boiled('white', null));
    expect(await rowsOf('white')).toHaveLength(2);
  });

  it('has no row of a change that was rolled back', async () => {
    const failure = inTransaction(pool, async (manager) => {
      await journal.handle([boiled('black', 1)], manager);
      throw new Error('changed my mind');
    });
    await expect(failure).rejects.toThrow('changed my mind');
    expect(await rowsOf('black')).toEqual([]);
  });
});

describe('what is written stays written', () => {
  beforeAll(() => write(boiled('iron', 1)));

  const expectRefused = async (statement: string, reason: string) => {
    await expect(database.query(statement)).rejects.toThrow(reason);
    expect(await rowsOf('iron')).toMatchObject([{ actor: 'alice', version: 1 }]);
  };

  describe.each([
    ['the journal', 'journal'],
    ['the month it is in', 'journal_202611'],
  ])('in %s', (_, table) => {
    it.each([
      `UPDATE ${table} SET actor = 'nobody' WHERE entity_id = 'iron'`,
      `UPDATE ${table} SET actor = 'nobody' WHERE false`,
      `DELETE FROM ${table} WHERE entity_id = 'iron'`,
      `DELETE FROM ${table} WHERE false`,
      `TRUNCATE ${table}`,
      `TRUNCATE ${table} CASCADE`,
      `MERGE INTO ${table} USING (SELECT 1) AS one ON entity_id = 'iron' WHEN MATCHED THEN DELETE`,
    ])('against %s', async (statement) => {
      await expectRefused(statement, 'the journal is append-only');
    });
  });

  const nobodys = (table: string, position: number | 'DEFAULT') =>
    `INSERT INTO ${table} (position, occurred_at, actor, request_id, type, entity_type, entity_id, version, data)
     VALUES (${position}, '${AT}', 'nobody', 'r', 'kettle.boiled', 'kettle', 'iron', 1, '{}')`;

  it('against an insert that would become an update', async () => {
    const instead = `ON CONFLICT (entity_type, entity_id, version) DO UPDATE SET actor = 'nobody'`;
    await expectRefused(`${nobodys('journal', 'DEFAULT')} ${instead}`, 'no unique or exclusion constraint');
    await expectRefused(`${nobodys('journal_202611', 'DEFAULT')} ${instead}`, 'written as a whole');
  });

  it('also against a made-up position', async () => {
    await expectRefused(nobodys('journal', 1), 'position');
    const overriding = nobodys('journal_202611', 1).replace('VALUES', 'OVERRIDING SYSTEM VALUE VALUES');
    await expectRefused(overriding, 'the journal is written as a whole, not by the month');
  });

  it('also in a month that was detached', async () => {
    await database.query(`SELECT make_partitions('202501')`);
    await database.query('ALTER TABLE journal DETACH PARTITION journal_202501');
    await expectRefused('DELETE FROM journal_202501', 'the journal is append-only');
  });
});

describe('the write path', () => {
  const command = (actor: string): WriteCommand => ({
    context: { actor, roles: ['customer'], requestId: `of ${actor}` },
  });

  it('brings every event to the journal, with the actor and the request that caused it, and no refused change', async () => {
    const commits = module.get(WritePath).group<WriteCommand>('boil', async (commands) => {
      const accepted = commands.filter(({ context }) => context.actor !== 'mallory');
      return {
        outcomes: commands.map((each) =>
          accepted.includes(each) ? new Answer(200, '{}') : new KettleBroken('No.'),
        ),
        events: accepted.map(
          ({ context }) => new KettleBoiled(`of ${context.actor}`, 1, AT, context, { after: {} }),
        ),
      };
    });
    const outcomes = await Promise.allSettled(
      ['alice', 'mallory', 'bob'].map((actor) => commits.submit(command(actor))),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(await rowsOf('of alice')).toMatchObject([{ actor: 'alice', request_id: 'of alice' }]);
    expect(await rowsOf('of bob')).toMatchObject([{ actor: 'bob', request_id: 'of bob' }]);
    expect(await rowsOf('of mallory')).toEqual([]);
  });

  it('undoes a change whose journal row cannot be written', async () => {
    await write(boiled('steel', 1));
    const commits = module.get(WritePath).group<WriteCommand>('boil', async (_, manager) => {
      await manager.query(`INSERT INTO settings VALUES ('steel', 'changed')`);
      return { outcomes: [new Answer(200, '{}')], events: [boiled('steel', 1)] };
    });
    await expect(commits.submit(command('alice'))).rejects.toThrow('journal_202611_by_entity');
    expect(await database.query(`SELECT 1 FROM settings WHERE name = 'steel'`)).toEqual([]);
  });
});
