import { startTestApp, type TestApp } from '../support/app.js';
import { expectHealthy } from '../support/doctor.js';
import { type OwnVenue, startVenue } from '../support/exchange-simulator.js';
import { expectProblem } from '../support/problem.js';
import { waitFor } from '../support/wait-for.js';

const APPLE = 'US0378331005';
const SAP = 'DE0007164600';

let venue: OwnVenue;
let daybook: TestApp;
beforeAll(async () => {
  venue = await startVenue({
    behaviour: { fillsMin: 3, fillsMax: 3, prices: { [APPLE]: 19_000, [SAP]: 12_000 } },
  });
  daybook = await startTestApp({
    DAYBOOK_ROLES: 'api,scheduler,receiver,consumer',
    EXCHANGE_URL: venue.url,
    EXCHANGE_TIMEOUT_MS: '300',
  });
});
afterAll(async () => {
  await expectHealthy(daybook.database.url);
  await daybook.stop();
  await venue.stop();
});
afterEach(() =>
  venue.behave({ lostAnswerPercent: 0, failurePercent: 0, refusalPercent: 0, lateRefusalPercent: 0 }),
);

const MARKET = { instrument: APPLE, side: 'buy', type: 'market', quantity: 90 };
const RESTING = { instrument: SAP, side: 'buy', type: 'limit', quantity: 10, limitPriceCents: 1 };
const place = async (body: object, token = daybook.tokens.alice) =>
  daybook.api('POST', '/exchange/orders', { body, token });
const read = async (path: string, token = daybook.tokens.operator) =>
  (await daybook.api('GET', `/exchange/orders${path}`, { token })).body;
const untilStatus = (id: string, status: string) =>
  waitFor(`${id} to be ${status}`, async () => {
    const order = await read(`/${id}`);
    return order.status === status && order;
  });

it('an order that can be filled is filled, and its executions tell how', async () => {
  const answer = await place({ ...MARKET, clientOrderId: 'first' });
  expect(answer.status).toBe(201);
  const { id } = answer.body;
  const filled = await untilStatus(id, 'filled');
  const executions = (await read(`/${id}/executions`)).data;
  expect(executions.map(({ type }: { type: string }) => type)).toEqual(['new', 'trade', 'trade', 'trade']);
  const trades = executions.filter(({ type }: { type: string }) => type === 'trade');
  const sum = (key: (trade: { quantity: number; priceCents: number }) => number) =>
    trades.map(key).reduce((total: number, each: number) => total + each, 0);
  expect(filled).toMatchObject({
    cumQuantity: 90,
    leavesQuantity: 0,
    avgPriceCents: Math.floor(sum(({ quantity, priceCents }) => quantity * priceCents) / 90 + 0.5),
  });
  expect(sum(({ quantity }) => quantity)).toBe(90);
  const sequences = executions.map(({ sequence }: { sequence: number }) => sequence);
  expect(sequences).toEqual(sequences.toSorted((a: number, b: number) => a - b));

  const pages = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const page = await read(`/${id}/executions?limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`);
    pages.push(...page.data);
    cursor = page.nextCursor;
  }
  expect(pages).toEqual(executions);
  const { body } = await daybook.api('GET', `/exchange/orders/${id}/executions`, {
    token: daybook.tokens.bob,
  });
  expect(body.code).toBe('not_found');
});

it('an order that waits for its price is cancelled when the venue says so', async () => {
  const { id } = (await place(RESTING)).body;
  const answer = await daybook.api('DELETE', `/exchange/orders/${id}`, { token: daybook.tokens.alice });
  expect(answer.body).toMatchObject({ status: 'cancel_pending' });
  expect(await untilStatus(id, 'cancelled')).toMatchObject({ cumQuantity: 0, leavesQuantity: 0 });
  expectProblem(await daybook.api('DELETE', `/exchange/orders/${id}`), 409, 'illegal_transition');
});

it('an order that the venue refuses is kept as rejected', async () => {
  await venue.behave({ refusalPercent: 100 });
  const problem = expectProblem(await place(MARKET), 422, 'order_rejected');
  expect(await read(`/${String(problem['orderId'])}`)).toMatchObject({
    status: 'rejected',
    reason: problem['reason'],
  });
});

it('an order that the venue cannot take now is kept as failed', async () => {
  await venue.behave({ failurePercent: 100 });
  const problem = expectProblem(await place(MARKET), 502, 'venue_unavailable');
  expect(await read(`/${String(problem['orderId'])}`)).toMatchObject({ status: 'failed' });
  expect((await venue.counts()).placed[String(problem['orderId'])]).toBeUndefined();
});

it('an order whose answer is lost comes to what the venue made of it, and is there once', async () => {
  await venue.behave({ lostAnswerPercent: 100 });
  const answers = await Promise.all([place(RESTING), place(RESTING), place(RESTING)]);
  // 201 when the stream of reports told before the deadline.
  for (const { status } of answers) expect([201, 202]).toContain(status);
  await venue.behave({ lostAnswerPercent: 0 });
  const { placed } = await venue.counts();
  for (const { body } of answers) {
    await untilStatus(body.id, 'created');
    expect(placed[body.id]).toBe(1);
  }
});

describe('the list', () => {
  const idsOf = async (query: string, token?: string): Promise<string[]> =>
    (await read(`?limit=200${query}`, token)).data.map(({ id }: { id: string }) => id);

  it('has what fits, newest first, and of a customer only their own', async () => {
    const mine = (await place({ ...MARKET, side: 'sell' }, daybook.tokens.bob)).body.id;
    const resting = (await place(RESTING, daybook.tokens.bob)).body.id;
    await untilStatus(mine, 'filled');
    expect(await idsOf('', daybook.tokens.bob)).toEqual([resting, mine]);
    const all = await idsOf('');
    expect(all).toEqual(all.toSorted().toReversed());
    expect(all.length).toBeGreaterThan(5);
    const fitting = async (fits: (order: Record<string, unknown>) => boolean) =>
      (await read('?limit=200')).data.filter(fits).map(({ id }: { id: string }) => id);
    expect(await idsOf('&side=sell')).toEqual([mine]);
    expect(await idsOf(`&instrument=${SAP}`)).toEqual(await fitting(({ instrument }) => instrument === SAP));
    const ended = ['failed', 'rejected', 'cancelled'];
    expect(await idsOf(`&${ended.map((status) => `status=${status}`).join('&')}`)).toEqual(
      await fitting(({ status }) => ended.includes(String(status))),
    );
    expect(await idsOf(`&status=filled&side=sell&instrument=${APPLE}`, daybook.tokens.bob)).toEqual([mine]);
    expect(await idsOf('&status=filled&side=sell', daybook.tokens.alice)).toEqual([]);
  });

  it('is read page by page, with a cursor that fits no other', async () => {
    const all = await idsOf('&status=created&status=filled');
    const found: string[] = [];
    let cursor: string | null = null;
    do {
      const page = await read(
        `?status=filled&status=created&limit=2${cursor === null ? '' : `&cursor=${cursor}`}`,
      );
      found.push(...page.data.map(({ id }: { id: string }) => id));
      cursor = page.nextCursor as string | null;
      if (cursor !== null) expect((await read(`?cursor=${cursor}`)).code).toBe('validation_failed');
    } while (cursor !== null);
    expect(found).toEqual(all);
  });
});
