import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { request, startTestApp, type TestApp, type TestResponse, tokenFor } from '../support/app.js';
import { expectHealthy } from '../support/doctor.js';
import { expectStatus } from '../support/fleet.js';
import { type ServerProcess, startServerProcess } from '../support/server-process.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { Campaign, type RoundReport } from './campaign.js';
import { compare } from './compare.js';
import { Site } from './site.js';

describe('a campaign of crashes', () => {
  let site: Site;
  let campaign: Campaign;
  beforeAll(async () => {
    site = await Site.open();
    campaign = await Campaign.begin(site, { seed: 20261120, connections: 32, victims: 'in turn' });
  });
  afterAll(() => site.close());

  it('loses no order that was answered and places none twice, whether Node is killed, PostgreSQL, or both', async () => {
    const reports: RoundReport[] = [];
    for (let round = 1; round <= 5; round += 1) reports.push(await campaign.runRound(round));
    expect(reports.flatMap(({ problems }) => problems)).toEqual([]);
    expect(reports.map(({ victim }) => victim)).toEqual(['node', 'postgres', 'both', 'node', 'postgres']);
    const sum = (count: (report: RoundReport) => number) =>
      reports.reduce((total, report) => total + count(report), 0);
    expect(sum(({ placed }) => placed)).toBeGreaterThan(200);
    // Otherwise nothing was killed in the middle of anything.
    expect(sum(({ retried }) => retried)).toBeGreaterThan(10);
    expect(sum(({ replayed }) => replayed)).toBe(5 * 40);
  });

  describe('would notice', () => {
    const [placed, refused] = ['placed', 'refused'].map(
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
          'nobody asked for order 1-3 (request stranger)',
        ]),
      );
      expect(problems).toHaveLength(3);
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
