import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { projectRoot } from '@daybook/platform';

import { startTestApp, type TestApp } from '../support/app.js';
import { openEventStream } from '../support/event-stream.js';
import { waitFor } from '../support/wait-for.js';

/* EVENTS_SEED=<number> makes the same transactions again; who overtakes whom is up to the machine. */
const SEED = Number(process.env['EVENTS_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const WRITERS = 4;
const SHELVES = 16;
const TRANSACTIONS = 80;

interface Entry {
  readonly position: string;
  readonly entityId: string;
  readonly version: number;
}

let daybook: TestApp;
/** The last committed position, once the writers are done. */
let end: bigint | undefined;

beforeAll(async () => {
  daybook = await startTestApp({ DAYBOOK_ROLES: 'api' });
  await daybook.database.query(`
    CREATE TABLE shelves (id int PRIMARY KEY, version int NOT NULL);
    INSERT INTO shelves SELECT n, 0 FROM generate_series(0, ${SHELVES - 1}) AS n`);
});
afterAll(() => daybook.stop());

const journal = () =>
  daybook.database.query<Entry>(
    `SELECT position, entity_id AS "entityId", version FROM journal ORDER BY position`,
  );

async function write(number: number): Promise<void> {
  const order = {
    url: daybook.database.url,
    seed: SEED + number,
    shelves: SHELVES,
    transactions: TRANSACTIONS,
  };
  const script = join(projectRoot(), 'test/support/shelf-writer.mjs');
  const child = spawn(process.execPath, [script, JSON.stringify(order)], { stdio: 'inherit' });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`A writer ended with ${code}`);
}

async function writeAll(): Promise<void> {
  await Promise.all(Array.from({ length: WRITERS }, (_, number) => write(number)));
  end = BigInt((await journal()).at(-1)?.position ?? 0);
}

const isAtEnd = (after: string | undefined) => end !== undefined && BigInt(after ?? 0) >= end;

/** Reads page by page, as a consumer that saves its position does. */
async function poll(query: string): Promise<Entry[]> {
  const all: Entry[] = [];
  for (let after = '0'; !isAtEnd(after);) {
    const { status, text, body } = await daybook.api('GET', `/events?after=${after}&${query}`);
    if (status !== 200) throw new Error(text);
    all.push(...body.data);
    after = body.nextAfter;
  }
  return all;
}

/** Keeps a stream open, and loses it now and then. */
async function stream(): Promise<Entry[]> {
  const all: Entry[] = [];
  while (!isAtEnd(all.at(-1)?.position)) {
    const opened = await openEventStream(daybook.origin, '/api/v1/events', {
      accept: 'text/event-stream',
      authorization: `Bearer ${daybook.tokens.operator}`,
      'last-event-id': all.at(-1)?.position ?? '0',
    });
    if (!('events' in opened)) throw new Error(opened.text);
    const { events } = opened;
    await waitFor('a hundred events, or the last', () => events.length >= 100 || isAtEnd(events.at(-1)?.id));
    opened.close();
    all.push(...events.map(({ data }) => data as Entry));
  }
  return all;
}

/** Trusts that events appear in the order of their positions. */
async function readNaively(): Promise<Entry[]> {
  const all: Entry[] = [];
  while (!isAtEnd(all.at(-1)?.position)) {
    const rows = await daybook.database.query<Entry>(
      `SELECT position, entity_id AS "entityId", version FROM journal WHERE position > $1 ORDER BY position LIMIT 50`,
      [all.at(-1)?.position ?? '0'],
    );
    all.push(...rows);
    await pause(2);
  }
  return all;
}

const positions = (entries: readonly Entry[]) => entries.map(({ position }) => position);

describe('while several processes write about the same things', () => {
  let waiting: Entry[];
  let polling: Entry[];
  let streaming: Entry[];
  let naive: Entry[];

  beforeAll(async () => {
    [waiting, polling, streaming, naive] = await Promise.all([
      poll('limit=7&waitSeconds=1'),
      poll('limit=50'),
      stream(),
      readNaively(),
      writeAll(),
    ]);
  });

  it('their transactions overtake each other, so that this proves something', async () => {
    const all = await journal();
    expect(all.length).toBeGreaterThan(WRITERS * TRANSACTIONS);
    expect(naive.length).toBeLessThan(all.length);
    const overtaken = await daybook.database.query(
      `SELECT FROM journal earlier JOIN journal later USING (entity_type, entity_id)
       WHERE later.version = earlier.version + 1 AND later.xid < earlier.xid`,
    );
    expect(overtaken.length).toBeGreaterThan(0);
    // Positions are missing, where transactions were rolled back.
    expect(BigInt(all.length)).toBeLessThan(end ?? 0n);
  });

  it.each([
    ['waits', () => waiting],
    ['polls', () => polling],
    ['streams', () => streaming],
  ])('a consumer that %s gets every committed event once', async (_, got) => {
    const committed = positions(await journal());
    expect({ EVENTS_SEED: SEED, positions: positions(got()) }).toEqual({
      EVENTS_SEED: SEED,
      positions: committed,
    });
  });

  it('everything that happens to one thing comes in the order in which it happened', () => {
    for (const versions of Map.groupBy(waiting, ({ entityId }) => entityId).values()) {
      expect(versions.map(({ version }) => version)).toEqual(versions.map((__, index) => index + 1));
    }
  });
});
