import { startTestApp, type TestApp, type TestResponse } from '../support/app.js';
import { expectInvalid, expectProblem } from '../support/problem.js';
import { Latch, ScriptedVenue } from '../support/scripted-venue.js';
import { waitFor } from '../support/wait-for.js';

const venue = new ScriptedVenue();
let daybook: TestApp;
beforeAll(async () => {
  const environment = { DAYBOOK_ROLES: 'api', EXCHANGE_TIMEOUT_MS: '2000', EXCHANGE_CONNECTIONS: '20' };
  daybook = await startTestApp({ ...environment, LOG_LEVEL: 'error' }, venue);
});
afterAll(() => daybook.stop());
beforeEach(() => venue.reset());

const ISIN = 'US0378331005';
const LIMIT = { instrument: ISIN, side: 'buy', type: 'limit', quantity: 100, limitPriceCents: 18950 };
const MARKET = { instrument: ISIN, side: 'sell', type: 'market', quantity: 40 };

const place = (body: object = LIMIT, key?: string, token = daybook.tokens.alice) =>
  daybook.api('POST', '/exchange/orders', {
    body,
    token,
    headers: key === undefined ? {} : { 'idempotency-key': key },
  });
const readOrder = async (id: string) => (await daybook.api('GET', `/exchange/orders/${id}`)).body;
const isReplay = ({ headers }: TestResponse) => headers.get('idempotent-replayed') === 'true';
const bytesOf = ({ status, text, headers }: TestResponse) => ({
  status,
  text,
  type: headers.get('content-type'),
  location: headers.get('location'),
  etag: headers.get('etag'),
});
let names = 0;
const aName = () => `name-${(names += 1)}`;

describe('what the venue says of an order', () => {
  it('accepted: 201, with the order as it is, and where it is', async () => {
    const answer = await place({ ...LIMIT, clientOrderId: 'plan-1' });
    expect(answer.status).toBe(201);
    const { id } = answer.body;
    expect(id).toMatch(/^X\d{8}-\d{5}$/);
    expect(answer.body).toEqual({
      id,
      customerId: 'alice',
      clientOrderId: 'plan-1',
      status: 'created',
      reason: null,
      ...LIMIT,
      cumQuantity: 0,
      leavesQuantity: 100,
      avgPriceCents: null,
      placedAt: expect.stringMatching(/Z$/),
      updatedAt: expect.stringMatching(/Z$/),
      version: 2,
    });
    expect(answer.headers.get('location')).toBe(`/api/v1/exchange/orders/${id}`);
    expect(answer.headers.get('etag')).toBe('"2"');
    expect(await readOrder(id)).toEqual(answer.body);
    expect(venue.asked).toEqual([{ request: 'place', id }]);
  });

  it('a market order has no limit price', async () => {
    expect((await place(MARKET)).body).toMatchObject({ ...MARKET, limitPriceCents: null });
  });

  it('refused: 422 with the reason; the order is kept as rejected', async () => {
    venue.onPlace = () => ({ kind: 'refused', reason: 'Unknown instrument' });
    const problem = expectProblem(await place(), 422, 'order_rejected');
    expect(problem).toMatchObject({
      reason: 'Unknown instrument',
      detail: expect.stringContaining('refused'),
    });
    expect(await readOrder(problem['orderId'] as string)).toMatchObject({
      status: 'rejected',
      reason: 'Unknown instrument',
      leavesQuantity: 0,
    });
  });

  it('unavailable: 502; the order is kept as failed', async () => {
    venue.onPlace = () => ({ kind: 'unavailable', reason: 'Closed for the weekend' });
    const problem = expectProblem(await place(), 502, 'venue_unavailable');
    expect(await readOrder(problem['orderId'] as string)).toMatchObject({
      status: 'failed',
      reason: 'Closed for the weekend',
    });
  });

  it('nothing: 202; the order stays pending', async () => {
    venue.onPlace = () => ({ kind: 'unknown', reason: 'No answer' });
    const answer = await place();
    expect(answer.status).toBe(202);
    expect(answer.body).toMatchObject({ status: 'pending', version: 1 });
    expect(answer.headers.get('location')).toBe(`/api/v1/exchange/orders/${answer.body.id}`);
    expect(await readOrder(answer.body.id)).toEqual(answer.body);
  });

  it('nothing until the deadline: the venue is waited for no longer than that', async () => {
    venue.onPlace = (_, signal) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => resolve({ kind: 'unknown', reason: 'Too late' }));
      });
    expect((await place()).status).toBe(202);
  });

  it('is journaled, version by version', async () => {
    const { id } = (await place()).body;
    const rows = await daybook.database.query(
      `SELECT type, version, actor, data -> 'before' ->> 'status' AS before, data -> 'after' ->> 'status' AS after
       FROM journal WHERE entity_id = $1 ORDER BY version`,
      [id],
    );
    expect(rows).toEqual([
      { type: 'exchange_order.placed', version: 1, actor: 'alice', before: null, after: 'pending' },
      {
        type: 'exchange_order.status_changed',
        version: 2,
        actor: 'alice',
        before: 'pending',
        after: 'created',
      },
    ]);
  });
});

describe('reports that overtake the answer', () => {
  it('have told more than the answer does: the order stays as they left it, and is shown so', async () => {
    const latch = new Latch();
    venue.onPlace = async () => {
      await latch.wait();
      return { kind: 'accepted' };
    };
    const placing = place();
    await latch.whenReached;
    const id = venue.asked[0]?.id ?? '';
    // As a consumer of reports does.
    await daybook.database.query(
      `UPDATE exchange_orders SET status = 'partially_filled', cum_quantity = 60, traded_cents = 60 * 18940 + 31, version = 2
       WHERE id = $1`,
      [id.slice(1).replace('-', '00000')],
    );
    latch.open();
    const answer = await placing;
    expect(answer.status).toBe(201);
    expect(answer.body).toMatchObject({
      status: 'partially_filled',
      cumQuantity: 60,
      leavesQuantity: 40,
      avgPriceCents: 18941,
      version: 2,
    });
  });
});

describe('bad input', () => {
  it.each([
    [
      'a limit order without a price',
      { ...LIMIT, limitPriceCents: undefined },
      'is required for a limit order',
    ],
    ['a market order with a price', { ...MARKET, limitPriceCents: 1 }, 'is not allowed for a market order'],
  ])('%s', async (_, body, words) => {
    const problem = expectInvalid(await place(body), 'limitPriceCents');
    expect(problem.errors?.[0]?.message).toContain(words);
    expect(venue.asked).toEqual([]);
  });

  it.each([
    ['US0378331006', 'has a last digit that does not fit the others'],
    ['US037833100', 'must be an ISIN: 2 capital letters'],
  ])('the instrument %s', async (instrument, words) => {
    const problem = expectInvalid(await place({ ...LIMIT, instrument }), 'instrument');
    expect(problem.errors?.[0]?.message).toContain(words);
  });
});

describe('a customer’s own name for an order', () => {
  it('is given once: 409 names the first order', async () => {
    const clientOrderId = aName();
    const { id } = (await place({ ...LIMIT, clientOrderId })).body;
    const problem = expectProblem(
      await place({ ...MARKET, clientOrderId }),
      409,
      'duplicate_client_order_id',
    );
    expect(problem).toMatchObject({ clientOrderId, orderId: id });
    expect((await place({ ...LIMIT, clientOrderId }, undefined, daybook.tokens.bob)).status).toBe(201);
    expect(venue.count('place')).toBe(2);
  });

  it('is given once to many at the same moment', async () => {
    const clientOrderId = aName();
    const answers = await Promise.all(Array.from({ length: 30 }, () => place({ ...LIMIT, clientOrderId })));
    const placed = answers.filter(({ status }) => status === 201);
    expect(placed).toHaveLength(1);
    for (const answer of answers.filter(({ status }) => status !== 201))
      expect(expectProblem(answer, 409, 'duplicate_client_order_id')['orderId']).toBe(placed[0]?.body.id);
    expect(venue.count('place')).toBe(1);
  });
});

describe('a request with an idempotency key', () => {
  it('that comes again while the venue is waited for gets the same bytes; one order, one placement', async () => {
    const latch = new Latch();
    venue.onPlace = async () => {
      await latch.wait();
      return { kind: 'accepted' };
    };
    const key = aName();
    const first = place(LIMIT, key);
    await latch.whenReached;
    const others = Array.from({ length: 15 }, () => place(LIMIT, key));
    const isWaiting = async () => (await daybook.database.query('SELECT FROM idempotency_keys')).length > 0;
    await waitFor('the key to be there', isWaiting);
    latch.open();
    const answers = await Promise.all([first, ...others]);
    expect(new Set(answers.map((answer) => JSON.stringify(bytesOf(answer)))).size).toBe(1);
    expect(answers.map(isReplay)).toEqual([false, ...others.map(() => true)]);
    expect(answers[0]?.status).toBe(201);
    expect(venue.count('place')).toBe(1);
    expect(bytesOf(await place(LIMIT, key))).toEqual(bytesOf(await first));
  });

  it.each([
    ['refused', 422],
    ['unavailable', 502],
    ['unknown', 202],
  ] as const)('gets the same bytes again when the venue said: %s', async (kind, status) => {
    venue.onPlace = () => ({ kind, reason: 'Because' });
    const key = aName();
    const first = await place(LIMIT, key);
    venue.onPlace = () => ({ kind: 'accepted' });
    const second = await place(LIMIT, key);
    expect(first.status).toBe(status);
    expect(bytesOf(second)).toEqual(bytesOf(first));
    expect([first, second].map(isReplay)).toEqual([false, true]);
    expect(venue.count('place')).toBe(1);
  });

  it('is answered 202 for good when a repetition has given it up: the first one is told so too', async () => {
    const latch = new Latch();
    venue.onPlace = async () => {
      await latch.wait();
      return { kind: 'accepted' };
    };
    const key = aName();
    const placing = place(LIMIT, key);
    await latch.whenReached;
    // As a repetition in another process does when its patience is at an end.
    await daybook.database.query('UPDATE idempotency_keys SET provisional = false WHERE key = $1', [key]);
    latch.open();
    const first = await placing;
    expect(first.status).toBe(202);
    expect(await readOrder(first.body.id)).toMatchObject({ status: 'created' });
    expect(bytesOf(await place(LIMIT, key))).toEqual(bytesOf(first));
  });

  it('is refused for another order', async () => {
    const key = aName();
    await place(LIMIT, key);
    expectProblem(await place(MARKET, key), 422, 'idempotency_key_reused');
  });
});

describe('when too many orders wait for the venue', () => {
  it('more are refused before anything is done', async () => {
    const latch = new Latch();
    venue.onPlace = async () => {
      await latch.wait();
      return { kind: 'accepted' };
    };
    const before = await daybook.database.query('SELECT count(*)::int AS orders FROM exchange_orders');
    let refused = 0;
    const placing = Array.from({ length: 60 }, async () => {
      const answer = await place();
      if (answer.status === 503) refused += 1;
      return answer;
    });
    await waitFor(
      '20 to be refused, the others to be on their way',
      () => refused >= 20 && venue.count('place') >= 20,
    );
    expect(venue.count('place')).toBe(20);
    latch.open();
    const answers = await Promise.all(placing);
    const overloaded = answers.filter(({ status }) => status === 503);
    for (const answer of overloaded) expectProblem(answer, 503, 'overloaded');
    expect(overloaded).toHaveLength(20);
    const after = await daybook.database.query('SELECT count(*)::int AS orders FROM exchange_orders');
    expect(Number(after[0]?.['orders']) - Number(before[0]?.['orders'])).toBe(40);
  });
});

describe('a server without a venue', () => {
  let lonely: TestApp;
  beforeAll(async () => {
    lonely = await startTestApp({ DAYBOOK_ROLES: 'api' });
  });
  afterAll(() => lonely.stop());

  it('refuses orders and says why, and reads', async () => {
    const placing = await lonely.api('POST', '/exchange/orders', { body: LIMIT });
    expectProblem(placing, 503, 'exchange_not_configured');
    const cancelling = await lonely.api('DELETE', '/exchange/orders/X20261121-00001');
    expectProblem(cancelling, 503, 'exchange_not_configured');
    expect((await lonely.api('GET', '/exchange/orders')).body).toEqual({ data: [], nextCursor: null });
    expectProblem(await lonely.api('GET', '/exchange/orders/X20261121-00001'), 404, 'not_found');
  });
});
