import { SignJWT } from 'jose';

import { startTestApp, TEST_SECRET, type TestResponse } from '../support/app.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { expectHealthy } from '../support/doctor.js';
import { expectStatus, type Fleet, startFleet, wrongClock } from '../support/fleet.js';

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const ONE_TEA = { lines: [{ sku: 'TEA', quantity: 1 }] };

/** The UTC midnight that begins the day so many days from now; none of them has been prepared by any server. */
function midnight(daysAhead: number): number {
  return new Date().setUTCHours(24 * daysAhead, 0, 0, 0);
}

/** Makes it this time now, for everybody who asks the database. */
function makeItBe(time: number, database: TestDatabase): Promise<void> {
  return database.shiftTime(`${time - Date.now()} milliseconds`);
}

function dayIn(time: number | string, timeZone = 'UTC'): string {
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
  });
  return format.format(new Date(time)).replaceAll('-', '');
}

const countOf = (id: string) => Number(id.slice(9));
const ascending = (a: number, b: number) => a - b;

/** All were placed, on the same day; their numbers within it, ascending. */
function countsOn(day: string, answers: readonly TestResponse[]): number[] {
  const refused = answers.filter(({ status }) => status !== 201).map(({ text }) => text);
  expect(refused).toEqual([]);
  expect([...new Set(answers.map(({ body }) => body.id.slice(0, 8)))]).toEqual([day]);
  expect([...new Set(answers.map(({ body }) => dayIn(body.placedAt)))]).toEqual([day]);
  return answers.map(({ body }) => countOf(body.id)).sort(ascending);
}

const oneTo = (n: number) => Array.from({ length: n }, (_, index) => index + 1);

describe.each(['sequence', 'gapless'] as const)(
  'numbers by the %s strategy, from three processes',
  (strategy) => {
    let fleet: Fleet;

    beforeAll(async () => {
      fleet = await startFleet(
        [-3 * DAY_MS, 0, 3 * DAY_MS].map((offset) => ({
          ORDER_NUMBER_STRATEGY: strategy,
          ...wrongClock(offset),
        })),
      );
      await fleet.createProduct('TEA', 1_000_000);
    });
    afterAll(async () => {
      await expectHealthy(fleet.database.url);
      await fleet.stop();
    });

    /** Valid for ever, for servers that do not agree what time it is. */
    let timelessToken: string;
    beforeAll(async () => {
      const token = new SignJWT({ roles: ['operator'] })
        .setProtectedHeader({ alg: 'HS256' })
        .setSubject('operator-1');
      timelessToken = await token.sign(new TextEncoder().encode(TEST_SECRET));
    });
    const place = (server: number) =>
      fleet.ask(server, 'POST', '/orders', { body: ONE_TEA, token: timelessToken });

    it('are not moved by clocks that are three days slow and three days fast', async () => {
      // A token says what a server takes the time for: this one expired an hour ago.
      const expired = new SignJWT({ roles: ['operator'] })
        .setProtectedHeader({ alg: 'HS256' })
        .setSubject('operator-1')
        .setExpirationTime(Date.now() / 1000 - 3600);
      const token = await expired.sign(new TextEncoder().encode(TEST_SECRET));
      const seen = await Promise.all(
        [0, 1, 2].map((server) => fleet.ask(server, 'GET', '/orders', { token })),
      );
      expect(seen.map(({ status }) => status)).toEqual([200, 401, 401]);
      await makeItBe(midnight(8) + 12 * 60 * MINUTE_MS, fleet.database);
      const answers = [];
      for (const server of [0, 1, 2, 2, 1, 0]) answers.push(await place(server));
      expect(countsOn(dayIn(midnight(8)), answers)).toEqual(oneTo(6));
      expect(answers.map(({ body }) => countOf(body.id))).toEqual(oneTo(6));
    });

    it('are unique and start at 1 when 64 clients race into a day that has no counter yet', async () => {
      for (const daysAhead of [20, 30, 40, 50, 60]) {
        const day = dayIn(midnight(daysAhead));
        const [found] = await fleet.database.query(
          `SELECT to_regclass('order_number_${day}') AS sequence,
           (SELECT last FROM number_counters WHERE day = ${day}) AS counter`,
        );
        expect(found).toEqual({ sequence: null, counter: null });
        await makeItBe(midnight(daysAhead), fleet.database);
        const answers = await Promise.all(Array.from({ length: 64 }, (_, client) => place(client)));
        const counts = countsOn(day, answers);
        expect(new Set(counts).size).toBe(64);
        expect(counts[0]).toBe(1);
        // Nothing is rolled back here; but only this strategy promises that there is no gap whatever happens.
        if (strategy === 'gapless') expect(counts).toEqual(oneTo(64));
      }
    });

    it('grow past 99999, are found by their longer number and sorted behind it', async () => {
      const day = dayIn(midnight(70));
      await makeItBe(midnight(70), fleet.database);
      await expectStatus(201, place(0));
      await fleet.database.query(
        strategy === 'sequence'
          ? `SELECT setval('order_number_${day}', 99998)`
          : `UPDATE number_counters SET last = 99998 WHERE day = ${day}`,
      );
      const ids = [];
      for (const server of [0, 1, 2]) ids.push((await expectStatus(201, place(server))).body.id);
      expect(ids).toEqual([`${day}-99999`, `${day}-100000`, `${day}-100001`]);
      for (const id of ids) {
        const found = await fleet.ask(0, 'GET', `/orders/${id}`, { token: timelessToken });
        expect(found.body).toMatchObject({ id, placedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT00:0/) });
        const moved = { body: { status: 'cancelled' }, token: timelessToken };
        await expectStatus(200, fleet.ask(1, 'PATCH', `/orders/${id}`, moved));
      }
      const newest = await fleet.ask(0, 'GET', '/orders?limit=4', { token: timelessToken });
      const listed = newest.body.data.map(({ id }: { id: string }) => id);
      expect(listed).toEqual([...ids.toReversed(), `${day}-00001`]);
      const next = `/orders?limit=1&cursor=${(await fleet.ask(0, 'GET', '/orders?limit=2', { token: timelessToken })).body.nextCursor}`;
      expect((await fleet.ask(2, 'GET', next, { token: timelessToken })).body.data).toMatchObject([
        { id: ids[0] },
      ]);
    });

    it('name the day the order was placed on while midnight passes under load', async () => {
      await makeItBe(midnight(80) - 1_000, fleet.database);
      const until = performance.now() + 2_000;
      const answers: TestResponse[] = [];
      const client = async (_: unknown, server: number) => {
        while (performance.now() < until) answers.push(await place(server));
      };
      await Promise.all(Array.from({ length: 12 }, client));
      const byDay = Map.groupBy(answers, ({ body }) => dayIn(body.placedAt ?? 0));
      const [before, after] = [dayIn(midnight(80) - 1), dayIn(midnight(80))];
      expect([...byDay.keys()].sort()).toEqual([before, after]);
      for (const [day, placed] of byDay) {
        const counts = countsOn(day, placed);
        expect(new Set(counts).size).toBe(counts.length);
        // A batch that lost a race and ran again has left a gap, perhaps at the very beginning.
        if (strategy === 'sequence') expect(counts[0]).toBeLessThan(100);
        else expect(counts).toEqual(oneTo(counts.length));
      }
    });
  },
);

describe('a change of the number strategy', () => {
  it('goes on behind the highest number of the day, in either direction', async () => {
    const database = await createTestDatabase();
    const ids: string[] = [];
    for (const strategy of ['sequence', 'gapless', 'sequence']) {
      const server = await startTestApp({ DATABASE_URL: database.url, ORDER_NUMBER_STRATEGY: strategy });
      if (ids.length === 0) await server.createProduct('TEA', 100);
      for (let n = 0; n < 3; n += 1) {
        ids.push((await expectStatus(201, server.api('POST', '/orders', { body: ONE_TEA }))).body.id);
      }
      await server.stop();
    }
    expect(ids.map(countOf)).toEqual(oneTo(9));
    await expectHealthy(database.url);
    await database.drop();
  });
});

describe('both number strategies at work', () => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = await startFleet([{ ORDER_NUMBER_STRATEGY: 'sequence' }, { ORDER_NUMBER_STRATEGY: 'gapless' }]);
    await fleet.createProduct('TEA', 1_000);
  });
  afterAll(() => fleet.stop());

  // As during a change of strategy, one process after the other.
  it('get into the way of each other, and still give every order a number of its own', async () => {
    const answers: TestResponse[] = [];
    // Each gets far ahead of the other's counter in turn; then both at once.
    for (const servers of [[0], [0], [1], [1], [0], [0], [0, 1], [0, 1]]) {
      const clients = servers.flatMap((server) => Array.from({ length: 20 }, () => server));
      const place = (server: number) => fleet.ask(server, 'POST', '/orders', { body: ONE_TEA });
      answers.push(...(await Promise.all(clients.map(place))));
    }
    expect(answers.filter(({ status }) => status !== 201).map(({ text }) => text)).toEqual([]);
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(answers.length);
    await expectHealthy(fleet.database.url);
  });
});

describe('the business day', () => {
  it('is that of BUSINESS_TIMEZONE, in the number, for the doctor and at its midnight', async () => {
    const timeZone = 'Pacific/Auckland';
    const daybook = await startTestApp({ BUSINESS_TIMEZONE: timeZone });
    await daybook.createProduct('TEA', 10);
    const placed = [];
    // Summer time in New Zealand: its 11 January begins 13 hours before that of UTC.
    for (const time of ['2027-01-10T10:59:30.000Z', '2027-01-10T11:00:00.000Z', '2027-01-10T12:30:00.000Z']) {
      await makeItBe(Date.parse(time), daybook.database);
      const { body } = await expectStatus(201, daybook.api('POST', '/orders', { body: ONE_TEA }));
      expect(Date.parse(body.placedAt) - Date.parse(time)).toBeLessThan(30_000);
      expect(dayIn(body.placedAt, timeZone)).toBe(body.id.slice(0, 8));
      placed.push(body.id);
    }
    expect(placed).toEqual(['20270110-00001', '20270111-00001', '20270111-00002']);
    await expectHealthy(daybook.database.url, timeZone);
    await expect(expectHealthy(daybook.database.url, 'UTC')).rejects.toThrow('numbers/business-day: 2');
    await daybook.stop();
  });
});
