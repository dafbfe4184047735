import type { ReservationStatus } from '@daybook/inventory';

import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { request, startTestApp, type TestApp, type TestResponse, tokenFor } from '../support/app.js';
import { expectHealthy } from '../support/doctor.js';
import { expectStatus } from '../support/fleet.js';
import { type ServerProcess, startServerProcess } from '../support/server-process.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { Campaign, type RoundReport } from './campaign.js';
import { compare } from './compare.js';
import type { Booking } from './ledger.js';
import { Site } from './site.js';

describe('a campaign of crashes', () => {
  let site: Site;
  let campaign: Campaign;
  beforeAll(async () => {
    site = await Site.open();
    campaign = await Campaign.begin(site, { seed: 20261120, connections: 32, victims: 'in turn' });
  });
  afterAll(() => site.close());

  it('loses nothing that was answered and makes nothing twice, whether Node is killed, PostgreSQL, or both', async () => {
    const reports: RoundReport[] = [];
    for (let round = 1; round <= 5; round += 1) reports.push(await campaign.runRound(round));
    expect(reports.flatMap(({ problems }) => problems)).toEqual([]);
    expect(reports.map(({ victim }) => victim)).toEqual(['node', 'postgres', 'both', 'node', 'postgres']);
    const sum = (count: (report: RoundReport) => number) =>
      reports.reduce((total, report) => total + count(report), 0);
    expect(sum(({ placed }) => placed)).toBeGreaterThan(200);
    expect(sum(({ reserved }) => reserved)).toBeGreaterThan(80);
    expect(sum(({ consumed }) => consumed)).toBeGreaterThan(20);
    // Otherwise nothing was killed in the middle of anything.
    expect(sum(({ retried }) => retried)).toBeGreaterThan(10);
    expect(sum(({ replayed }) => replayed)).toBe(5 * 40);
    // Five recoveries, and what comes due in each of them.
  }, 180_000);

  describe('would notice', () => {
    const [placed, refused] = ['made', 'refused'].map(
      (state) => () => campaign.ledger.placements.find((placement) => placement.state === state),
    );
    const storedId = () => `${placed?.()?.order?.id.replace('-', '00000')}`;

    /** What the campaign says after the damage that was not there before it; the damage is undone. */
    async function noticed(damage: string, undo: string): Promise<string[]> {
      await site.query(damage);
      const problems = await compare(campaign.ledger, site);
      await site.query(undo);
      expect(await compare(campaign.ledger, site)).toEqual([]);
      return problems.filter((problem) => !problem.startsWith('doctor: '));
    }

    it('an order that is lost', async () => {
      const id = storedId();
      await site.query(`CREATE TABLE lost AS SELECT * FROM orders WHERE id = ${id}`);
      const problems = await noticed(
        `DELETE FROM orders WHERE id = ${id}`,
        'INSERT INTO orders SELECT * FROM lost; DROP TABLE lost',
      );
      expect(problems).toEqual([`order ${placed?.()?.order?.id}, answered to ${placed?.()?.key}, is lost`]);
    });

    it('an order that is not what was answered', async () => {
      const change = (delta: string) =>
        `UPDATE orders SET total_cents = total_cents ${delta} WHERE id = ${storedId()}`;
      expect(await noticed(change('+ 1'), change('- 1'))).toEqual([
        expect.stringMatching(/^order \S+ \(.+\) was answered as \{.+\}; stored: \{.+\}$/),
      ]);
    });

    it('a change of status that was answered and is gone', async () => {
      const change = (delta: string) =>
        `UPDATE orders SET version = version ${delta} WHERE id = ${storedId()}`;
      expect(await noticed(change('+ 1'), change('- 1'))).toEqual([
        expect.stringMatching(/^order \S+ is \w+ at version \d+; expected \w+ at version \d+$/),
      ]);
    });

    it('an order placed twice, one that was refused, and one that nobody asked for', async () => {
      const journal = (key: string | undefined, number: string) =>
        `INSERT INTO journal (occurred_at, actor, request_id, type, entity_type, entity_id, version, data)
         VALUES (now(), 'nobody', '${key}', 'order.placed', 'order', '${number}', 1, '{}')`;
      const [twice, not] = [placed?.(), refused?.()];
      const problems = await noticed(
        [journal(twice?.key, '1-1'), journal(not?.key, '1-2'), journal('stranger', '1-3')].join(';'),
        `ALTER TABLE journal DISABLE TRIGGER journal_is_append_only;
         DELETE FROM journal WHERE actor = 'nobody';
         ALTER TABLE journal ENABLE TRIGGER journal_is_append_only`,
      );
      expect(problems).toEqual(
        expect.arrayContaining([
          expect.stringMatching(`^${twice?.key} was answered with order \\S+, and is journaled as \\S+,1-1$`),
          `${not?.key} was refused, but placed as 1-2`,
          'nobody asked for 1-3 (request stranger)',
        ]),
      );
      expect(problems).toHaveLength(3);
    });

    /** A reservation that was answered and has come to this; an active one is not due for long. */
    const reserved = (status: ReservationStatus) => {
      const { key, reservation } = campaign.ledger.bookings.find(
        (booking) =>
          booking.reservation?.status === status &&
          (status !== 'active' || Date.parse(booking.reservation.expiresAt) > Date.now() + 600_000),
      ) as Booking;
      return { key, id: reservation?.id };
    };

    it('a reservation that is lost', async () => {
      const { key, id } = reserved('released');
      await site.query(`CREATE TABLE lost_reservation AS SELECT * FROM reservations WHERE id = '${id}'`);
      const problems = await noticed(
        `DELETE FROM reservations WHERE id = '${id}'`,
        'INSERT INTO reservations SELECT * FROM lost_reservation; DROP TABLE lost_reservation',
      );
      expect(problems).toEqual([`reservation ${id}, answered to ${key}, is lost`]);
    });

    it('a reservation that is not what was answered', async () => {
      const { id } = reserved('active');
      const [first] = await site.query<{ lines: object[] }>(
        `SELECT lines FROM reservations WHERE id = '${id}'`,
      );
      const problems = await noticed(
        `UPDATE reservations SET lines = jsonb_set(lines, '{0,quantity}', '99') WHERE id = '${id}'`,
        `UPDATE reservations SET lines = '${JSON.stringify(first?.lines)}' WHERE id = '${id}'`,
      );
      expect(problems).toEqual([
        expect.stringMatching(`^reservation ${id} was answered as .+; stored: .+99`),
      ]);
    });

    it('an active reservation that holds nothing, and stock that is reserved for nobody', async () => {
      const { id } = reserved('active');
      await site.query(
        `CREATE TABLE lost_hold AS SELECT * FROM stock_holds WHERE reservation_id = '${id}' LIMIT 1`,
      );
      const problems = await noticed(
        'DELETE FROM stock_holds USING lost_hold WHERE stock_holds = lost_hold',
        'INSERT INTO stock_holds SELECT * FROM lost_hold; DROP TABLE lost_hold',
      );
      expect(problems).toEqual([
        expect.stringMatching(/^product \d+ in warehouse \d+: \d+ reserved, the open holds come to \d+$/),
        expect.stringMatching(
          `^reservation ${id}, product .+: \\d+ until .+ promised, nothing until {2}held$`,
        ),
      ]);
    });

    it('a hold that outlived its reservation', async () => {
      const { id } = reserved('released');
      const change = (delta: number) =>
        `UPDATE stock_levels SET reserved = reserved + ${delta} WHERE product_id = 1 AND warehouse_id = 1`;
      const problems = await noticed(
        `${change(1)}; INSERT INTO stock_holds VALUES ('${id}', 1, 1, 1, now() + interval '1 hour')`,
        `${change(-1)}; DELETE FROM stock_holds WHERE reservation_id = '${id}'`,
      );
      expect(problems).toEqual([
        expect.stringMatching(
          `^reservation ${id}, product 1 .+: nothing until {2}promised, 1 until .+ held$`,
        ),
      ]);
    });

    it('a reservation that was consumed by an order which knows nothing of it', async () => {
      const { id } = reserved('consumed');
      const [order] = await site.query<{ id: string }>(
        `SELECT id FROM orders WHERE reservation_id = '${id}'`,
      );
      const change = (value: string) => `UPDATE orders SET reservation_id = ${value} WHERE id = ${order?.id}`;
      const problems = await noticed(change('NULL'), change(`'${id}'`));
      expect(problems).toEqual([
        expect.stringMatching(/^order \S+ \(.+\) was answered as \{.+\}; stored: \{.+"reservationId":null/),
        expect.stringMatching(
          `^reservation ${id} was consumed by order \\S+; order \\(none\\) is for reservation $`,
        ),
      ]);
    });

    it('a reservation that expired before its time', async () => {
      const { id } = reserved('expired');
      const change = (sign: string) =>
        `UPDATE reservations SET expires_at = expires_at ${sign} interval '1 hour' WHERE id = '${id}'`;
      expect(await noticed(change('+'), change('-'))).toEqual([
        expect.stringMatching(
          `^reservation ${id} is expired at version \\d+, .+; expected expired at \\d+ for null`,
        ),
        expect.stringMatching(`^reservation ${id} expired at .+, before .+$`),
      ]);
    });

    it('a change of a reservation that was answered and is gone', async () => {
      const { id } = reserved('released');
      const change = (delta: string) =>
        `UPDATE reservations SET version = version ${delta} WHERE id = '${id}'`;
      expect(await noticed(change('+ 1'), change('- 1'))).toEqual([
        expect.stringMatching(
          `^reservation ${id} is released at version \\d+, .+; expected released at \\d+ for null`,
        ),
        expect.stringMatching(`^reservation ${id} is released at version \\d+, its journal has \\d+ rows`),
      ]);
    });
  });
});

const ORDER = { lines: [{ sku: 'TEA', quantity: 1 }] };
// As PostgreSQL's protocol has them: the statement, and the word that it is done.
const COMMIT = Buffer.from('Q\0\0\0\x0bCOMMIT\0');
const COMMITTED = Buffer.from('C\0\0\0\x0bCOMMIT\0');

describe('a server killed between the commit of an order and its answer', () => {
  let database: TestDatabase;
  /** Between Daybook and its database. */
  let network: TcpProxy;
  let server: ServerProcess;
  let token: string;

  const start = () => startServerProcess({ DATABASE_URL: network.through(database.url), LOG_LEVEL: 'fatal' });

  beforeEach(async () => {
    database = await createTestDatabase();
    network = await TcpProxy.before(database.url);
    server = await start();
    token = await tokenFor('operator-1', 'operator');
    const post = (path: string, body: object) =>
      expectStatus(201, request(server.origin, 'POST', `/api/v1${path}`, { token, body }));
    await post('/products', { sku: 'TEA', name: 'Tea', priceCents: 1000 });
    await post('/stock-adjustments', { sku: 'TEA', quantityDelta: 10, reason: 'received' });
  });
  afterEach(async () => {
    await server.end('SIGKILL');
    await network.close();
    await expectHealthy(database.url);
    await database.drop();
  });

  const place = (origin: string): Promise<TestResponse> =>
    request(origin, 'POST', '/api/v1/orders', { token, body: ORDER, headers: { 'idempotency-key': 'key' } });

  it('has written an answer that a retry gets to the byte', async () => {
    const wire = await TcpProxy.before(server.origin);
    let swallowed = '';
    wire.onAnswer = (chunk) => {
      swallowed += chunk.toString();
      server.child.kill('SIGKILL');
      return false;
    };
    await expect(place(wire.through(server.origin).replace(/\/$/, ''))).rejects.toThrow('fetch failed');
    await wire.close();
    await server.end('SIGKILL');
    expect(swallowed).toMatch(/^HTTP\/1.1 201 Created\r\n/);
    expect(await database.query('SELECT id FROM orders')).toHaveLength(1);

    server = await start();
    const retried = await place(server.origin);
    expect(retried.status).toBe(201);
    expect(retried.text).toBe(swallowed.split('\r\n\r\n')[1]);
    expect(retried.headers.get('idempotent-replayed')).toBe('true');
    expect(await database.query('SELECT id FROM orders')).toHaveLength(1);
  });

  it('has not even heard of the commit, and a retry gets that order all the same', async () => {
    network.onAnswer = (chunk) => {
      if (!chunk.includes(COMMITTED)) return true;
      server.child.kill('SIGKILL');
      return false;
    };
    await expect(place(server.origin)).rejects.toThrow('fetch failed');
    await server.end('SIGKILL');
    network.onAnswer = () => true;
    const [stored] = await database.query<{ body: string }>('SELECT body FROM idempotency_keys');

    server = await start();
    const retried = await place(server.origin);
    expect(retried.text).toBe(stored?.body);
    expect(retried.headers.get('idempotent-replayed')).toBe('true');
    expect(await database.query('SELECT id FROM orders')).toHaveLength(1);
  });
});

describe.each([
  {
    moment: 'after the database has committed',
    isMoment: (chunk: Buffer) => chunk.includes(COMMITTED),
    hasHappened: true,
  },
  {
    moment: 'before the database hears of the commit',
    isMoment: (chunk: Buffer) => chunk.includes(COMMIT),
    hasHappened: false,
  },
])('a connection to the database that breaks $moment', ({ isMoment, hasHappened }) => {
  let database: TestDatabase;
  let network: TcpProxy;
  let daybook: TestApp;

  beforeAll(async () => {
    database = await createTestDatabase();
    network = await TcpProxy.before(database.url);
    daybook = await startTestApp({ DATABASE_URL: network.through(database.url), LOG_LEVEL: 'fatal' });
    await daybook.createProduct('TEA', 10);
  });
  afterAll(async () => {
    await expectHealthy(database.url);
    await daybook.stop();
    await network.close();
    await database.drop();
  });

  /** Breaks all connections at the first such moment; the function returned tells whether it came. */
  function breakOnce(): () => boolean {
    let isBroken = false;
    const watch = (chunk: Buffer) => {
      if (isBroken || !isMoment(chunk)) return true;
      isBroken = true;
      network.breakConnections();
      return false;
    };
    network.onRequest = watch;
    network.onAnswer = watch;
    return () => isBroken;
  }
  const storedOrders = async () => (await database.query('SELECT id FROM orders')).length;

  it('is not noticed by a client that sent a key', async () => {
    const before = await storedOrders();
    const isBroken = breakOnce();
    const headers = { 'idempotency-key': 'key' };
    const answer = await daybook.api('POST', '/orders', { body: ORDER, headers });
    expect(isBroken()).toBe(true);
    expect(answer.status).toBe(201);
    expect(await storedOrders()).toBe(before + 1);
    const [row] = await database.query<{ body: string }>('SELECT body FROM idempotency_keys');
    expect(answer.text).toBe(row?.body);
  });

  it('is told to a client without a key as what it is: unknown', async () => {
    const before = await storedOrders();
    const isBroken = breakOnce();
    const answer = await daybook.api('POST', '/orders', { body: ORDER });
    expect(isBroken()).toBe(true);
    expect(answer.body).toMatchObject({ status: 503, code: 'database_unavailable' });
    expect(answer.body.detail).toMatch(/unknown/);
    expect(answer.body.detail).not.toMatch(/Nothing was done/);
    expect(await storedOrders()).toBe(before + (hasHappened ? 1 : 0));
    expect((await daybook.api('POST', '/orders', { body: ORDER })).status).toBe(201);
    expect(await storedOrders()).toBe(before + (hasHappened ? 2 : 1));
  });
});
