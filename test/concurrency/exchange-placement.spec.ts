import { type Fleet, startFleet } from '../support/fleet.js';
import { request, tokenFor, type TestResponse } from '../support/app.js';
import { expectHealthy } from '../support/doctor.js';
import { type OwnVenue, startVenue } from '../support/exchange-simulator.js';
import { startServerProcess } from '../support/server-process.js';
import { waitFor } from '../support/wait-for.js';

const ROLES = 'api,scheduler,receiver,consumer';
const MARKET = { instrument: 'US0378331005', side: 'buy', type: 'market', quantity: 100 };

let venue: OwnVenue;
let fleet: Fleet;
let token: string;
beforeAll(async () => {
  venue = await startVenue({ behaviour: { fillsMin: 1, fillsMax: 4 } });
  const environment = { DAYBOOK_ROLES: ROLES, EXCHANGE_URL: venue.url };
  fleet = await startFleet([environment, environment]);
  token = await tokenFor('alice', 'customer');
});
afterAll(async () => {
  await expectHealthy(fleet.database.url);
  await fleet.stop();
  await venue.stop();
});
afterEach(() =>
  venue.behave({
    latencyMinMs: 0,
    latencyMaxMs: 0,
    refusalPercent: 0,
    failurePercent: 0,
    lostAnswerPercent: 0,
  }),
);

const place = (server: number, body: object, key?: string) =>
  fleet.ask(server, 'POST', '/exchange/orders', {
    token,
    body,
    headers: key === undefined ? {} : { 'idempotency-key': key },
  });
const isReplay = ({ headers }: TestResponse) => headers.get('idempotent-replayed') === 'true';
const bytesOf = ({ status, text, headers }: TestResponse) =>
  JSON.stringify([status, text, ...['content-type', 'location', 'etag'].map((name) => headers.get(name))]);
const placedNow = async () => Object.keys((await venue.counts()).placed).length;

describe('100 requests with one key at once, to two processes', () => {
  it.each([
    ['accepts it', {}, [201]],
    ['refuses it', { refusalPercent: 100 }, [422]],
    ['cannot take it', { failurePercent: 100 }, [502]],
    // 201 when the stream of reports tells before the deadline.
    ['does not answer', { lostAnswerPercent: 100 }, [201, 202]],
  ])(
    'make one order, are one placement, and are answered alike when the venue %s',
    async (what, behaviour, statuses) => {
      await venue.behave({ latencyMinMs: 300, latencyMaxMs: 300, ...behaviour });
      const before = await venue.counts();
      const [{ orders }] = (await fleet.database.query(
        'SELECT count(*)::int AS orders FROM exchange_orders',
      )) as [{ orders: number }];
      const answers = await Promise.all(
        Array.from({ length: 100 }, (_, index) => place(index, MARKET, `key ${what}`)),
      );
      expect([...new Set(answers.map(bytesOf))]).toHaveLength(1);
      expect(statuses).toContain(answers[0]?.status);
      expect(answers.filter((answer) => !isReplay(answer))).toHaveLength(1);
      expect((await venue.counts()).placements - before.placements).toBe(1);
      const after = await fleet.database.query('SELECT count(*)::int AS orders FROM exchange_orders');
      expect(after).toEqual([{ orders: orders + 1 }]);
      // Whenever it comes again.
      await venue.behave({ refusalPercent: 0, failurePercent: 0, lostAnswerPercent: 0 });
      expect(bytesOf(await place(1, MARKET, `key ${what}`))).toBe(bytesOf(answers[0] as TestResponse));
    },
  );
});

describe('100 requests with one clientOrderId at once, to two processes', () => {
  it('make one order: 409 names it to the others', async () => {
    const before = await placedNow();
    const body = { ...MARKET, clientOrderId: 'plan-1' };
    const answers = await Promise.all(Array.from({ length: 100 }, (_, index) => place(index, body)));
    const [placed, ...more] = answers.filter(({ status }) => status === 201);
    expect(more).toEqual([]);
    const others = answers.filter((answer) => answer !== placed).map((answer) => answer.body);
    expect(new Set(others.map(({ code }) => code))).toEqual(new Set(['duplicate_client_order_id']));
    expect(new Set(others.map(({ orderId }) => orderId))).toEqual(new Set([placed?.body.id]));
    expect((await placedNow()) - before).toBe(1);
  });
});

describe('orders whose reports come before the answers', () => {
  it('end as the venue says, each version journaled', async () => {
    // Taken in the middle of it, and filled at once.
    await venue.behave({ latencyMinMs: 200, latencyMaxMs: 600 });
    const answers = await Promise.all(Array.from({ length: 60 }, (_, index) => place(index, MARKET)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    const overtaken = answers.filter(({ body }) => body.status !== 'created');
    expect(overtaken.length).toBeGreaterThan(0);
    await agreed();
  });
});

describe('orders that are cancelled while they are being filled', () => {
  it('end as the venue says: cancelled, or filled when that was faster', async () => {
    await venue.behave({ fillPaceMinMs: 0, fillPaceMaxMs: 400, cancelDelayMaxMs: 400 });
    const ids = await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        const { id } = (await place(index, MARKET)).body;
        await fleet.ask(index + 1, 'DELETE', `/exchange/orders/${id}`, { token });
        return id as string;
      }),
    );
    await agreed();
    const ends = await fleet.database.query<{ status: string }>(
      'SELECT DISTINCT status FROM exchange_orders WHERE id = ANY($1::bigint[]) ORDER BY status',
      [ids.map((id) => id.slice(1).replace('-', '00000'))],
    );
    expect(ends).toEqual([{ status: 'cancelled' }, { status: 'filled' }]);
  });
});

describe('a server that is stopped while the venue is waited for', () => {
  it('still answers what the venue says, and ends well', async () => {
    const environment = { DATABASE_URL: fleet.database.url, EXCHANGE_URL: venue.url, DAYBOOK_ROLES: 'api' };
    const server = await startServerProcess(environment);
    await venue.behave({ latencyMinMs: 1_500, latencyMaxMs: 1_500 });
    const before = (await venue.counts()).placements;
    const placing = request(server.origin, 'POST', '/api/v1/exchange/orders', { token, body: MARKET });
    await waitFor('the venue to be asked', async () => (await venue.counts()).placements > before);
    const ended = server.end('SIGTERM');
    expect((await placing).status).toBe(201);
    expect(await ended).toBe(0);
  });
});

/** Waits until every order that the venue knows has ended here as it has there. */
async function agreed(): Promise<void> {
  await waitFor('the books to agree', async () => {
    const there = await venue.orders();
    const here = await fleet.database.query<{ id: string; status: string; cum: string; traded: string }>(
      `SELECT 'X' || left(id::text, 8) || '-' || right(id::text, 5) AS id, status, cum_quantity::text AS cum,
         traded_cents::text AS traded FROM exchange_orders`,
    );
    const books = new Map(here.map(({ id, ...order }) => [id, order]));
    return there.every(({ clOrdId, status, cumQuantity, tradedCents }) => {
      const order = books.get(clOrdId);
      return order?.status === status && order.cum === String(cumQuantity) && order.traded === tradedCents;
    });
  });
}
