import { BoundedReads, loadConfig, Readiness } from '@daybook/platform';

import { createTestDatabase, type TestDatabase } from '../../../test/support/database.js';
import { type JournalWriter, openJournalWriter } from '../../../test/support/journal-writer.js';
import { waitFor } from '../../../test/support/wait-for.js';
import { EventFeed, EventsDetached } from './event-feed.js';

let database: TestDatabase;
let reads: BoundedReads;
let feed: EventFeed;
let one: JournalWriter;
let other: JournalWriter;
/** Where the journal ended when the test began. */
let start: bigint;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.query(`SELECT make_partitions(to_char(business_now() AT TIME ZONE 'UTC', 'YYYYMM'))`);
  reads = new BoundedReads(loadConfig({ DATABASE_URL: database.url }));
  one = await openJournalWriter(database);
  other = await openJournalWriter(database);
});
afterAll(async () => {
  await Promise.all([one.end(), other.end(), reads.onApplicationShutdown()]);
  await database.drop();
});
beforeEach(async () => {
  feed = new EventFeed(reads, new Readiness());
  start = await feed.head();
});

const NO_PATIENCE = 0;

/** What the feed shows at this moment, as entities. */
const shown = async (after = start, limit = 200) =>
  (await feed.read(after, limit, NO_PATIENCE)).map(({ entityId }) => entityId);

/** Others use this server, too, and their transactions may have to end first. */
const untilShown = (...entities: string[]) =>
  waitFor(entities.join(), async () => (await shown()).join() === entities.join());

/** What is committed behind the position, in an order. */
const committed = async (order: string) =>
  (
    await database.query<{ entity: string }>(
      `SELECT entity_id || coalesce(' ' || version, '') AS entity FROM journal WHERE position > $1 ORDER BY ${order}`,
      [String(start)],
    )
  ).map(({ entity }) => entity);

describe('the feed', () => {
  it('gives each event as it was written, and goes on behind the last', async () => {
    const positions = [await one.append('blue', 1), await one.append('blue', 2), await one.append('red')];
    const events = await feed.read(start, 2);
    expect(events).toEqual([
      {
        position: positions[0],
        type: 'kettle.boiled',
        occurredAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z$/),
        actor: 'alice',
        requestId: 'request-1',
        entityType: 'kettle',
        entityId: 'blue',
        version: 1,
        data: { after: { note: 'line\nbreak' } },
      },
      expect.objectContaining({ position: positions[1], version: 2 }),
    ]);
    const [next, ...others] = await feed.read(BigInt(positions[1] ?? 0), 2);
    expect(next).toMatchObject({ position: positions[2], entityId: 'red', version: null });
    expect(others).toEqual([]);
    expect(await feed.read(BigInt(positions[2] ?? 0), 2)).toEqual([]);
    expect(await feed.read(2n ** 63n - 1n, 2)).toEqual([]);
  });

  it('does not show an event while one before it may still be committed', async () => {
    await one.begin();
    await one.append('early');
    await other.append('late');
    // Whoever read in the order of positions would go on behind this one.
    expect(await committed('position')).toEqual(['late']);
    expect(await shown()).toEqual([]);
    await one.commit();
    expect(await shown()).toEqual(['early', 'late']);
  });

  it('does not, either, when that is the youngest transaction of all', async () => {
    await other.beginWithId();
    await one.beginWithId();
    await one.append('early');
    await other.append('late');
    await other.commit();
    // None with a higher id has ended, so a snapshot ends before this one and does not tell of it.
    expect(await shown()).toEqual([]);
    await one.commit();
    expect(await shown()).toEqual(['early', 'late']);
  });

  it('shows at once what nothing can come before, whatever is open behind it', async () => {
    await other.append('first');
    await other.append('second');
    await one.begin();
    await one.append('open');
    await other.append('third');
    expect(await shown()).toEqual(['first', 'second']);
    expect(await shown(start, 1)).toEqual(['first']);
    await one.rollBack();
    await untilShown('first', 'second', 'third');
  });

  it('waits for an open transaction, and not longer than it has patience', async () => {
    await one.begin();
    await one.append('early');
    await other.append('late');
    expect(await feed.read(start, 200, 1)).toEqual([]);
    const reading = feed.read(start, 200, 30_000);
    await one.commit();
    expect((await reading).map(({ entityId }) => entityId)).toEqual(['early', 'late']);
  });

  it('does not wait while the server stops', async () => {
    const readiness = new Readiness();
    readiness.isStopping = true;
    await one.begin();
    await one.append('early');
    await other.append('late');
    expect(await new EventFeed(reads, readiness).read(start, 200, 2 ** 31)).toEqual([]);
    await one.rollBack();
  });

  it('remembers that a gap is for good, so that a long transaction later does not hold up those who read from far behind', async () => {
    await other.append('first');
    await one.begin();
    await one.append('rolled back');
    await one.rollBack();
    await other.append('second');
    await untilShown('first', 'second');
    await one.beginWithId();
    expect(await shown()).toEqual(['first', 'second']);
    feed = new EventFeed(reads, new Readiness());
    expect(await shown()).toEqual(['first']);
    await one.append('open');
    await other.append('third');
    await one.rollBack();
    await untilShown('first', 'second', 'third');
  });

  it('does not take what another reader has found out meanwhile for true of the rows that it has read before', async () => {
    const held = Promise.withResolvers<void>();
    const reached = Promise.withResolvers<void>();
    const holding = new (class extends BoundedReads {
      isHolding = true;

      override async query<Row>(...[name, ...rest]: Parameters<BoundedReads['query']>): Promise<Row[]> {
        if (this.isHolding && name === 'event-feed/open') {
          this.isHolding = false;
          reached.resolve();
          await held.promise;
        }
        return super.query<Row>(name, ...rest);
      }
    })(loadConfig({ DATABASE_URL: database.url }));
    feed = new EventFeed(holding, new Readiness());
    await one.begin();
    await one.append('early');
    await other.append('second');
    const reading = feed.read(start, 200, 30_000);
    await reached.promise;
    await one.commit();
    await other.begin();
    await other.append('rolled back');
    await other.rollBack();
    await other.append('late');
    await untilShown('early', 'second', 'late');
    held.resolve();
    expect((await reading).map(({ entityId }) => entityId).slice(0, 2)).toEqual(['early', 'second']);
    await holding.onApplicationShutdown();
  });

  it('has the versions of an entity in their order, where that of the transactions would turn them round', async () => {
    // The first has its id from locking something else, and waits for this entity until the second has changed it.
    const first = await one.beginWithId();
    const second = await other.beginWithId();
    expect(first).toBeLessThan(second);
    await other.append('shared', 2);
    await other.commit();
    await one.append('shared', 3);
    await one.commit();
    expect(await committed('xid, position')).toEqual(['shared 3', 'shared 2']);
    expect((await feed.read(start, 200)).map(({ version }) => version)).toEqual([2, 3]);
  });
});

describe('behind months that were detached', () => {
  const detachTo = (position: bigint) =>
    database.query(
      `INSERT INTO settings VALUES ('journal_detached_to', $1) ON CONFLICT (name) DO UPDATE SET value = $1`,
      [String(position)],
    );
  afterEach(() => database.query(`DELETE FROM settings WHERE name = 'journal_detached_to'`));

  /** Takes positions that are missing afterwards, as those of a detached month are. */
  const skip = async (count: number) => {
    await database.query(`SELECT nextval('journal_position_seq') FROM generate_series(1, $1)`, [count]);
    return feed.head();
  };

  it('a reader that has not got so far is told, and one that has goes on', async () => {
    const detached = await skip(3);
    await one.append('kept');
    await detachTo(detached);
    const refusal: unknown = await feed.read(detached - 1n, 10).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(EventsDetached);
    expect(refusal).toMatchObject({ status: 410, details: { detachedTo: String(detached) } });
    expect(await shown(detached)).toEqual(['kept']);
  });

  it('whoever begins at 0 begins behind them', async () => {
    const detached = await skip(3);
    await one.append('kept');
    await detachTo(detached);
    expect(await shown(0n)).toEqual(['kept']);
  });
});
