import { ORDER_STATUSES, type OrderStatus } from '@daybook/orders';

import { startTestApp, type TestApp } from '../support/app.js';
import { expectProblem } from '../support/problem.js';

let daybook: TestApp;

beforeAll(async () => {
  daybook = await startTestApp();
  await daybook.createProduct('TEA', 1_000_000);
});
afterAll(() => daybook.stop());

/** The moves of the contract, written out once more: the machine of the code must not be its own witness. */
const MOVES: Record<OrderStatus, readonly OrderStatus[]> = {
  pending: ['processing', 'cancelled'],
  processing: ['confirmed', 'failed', 'pending'],
  confirmed: ['shipped', 'cancelled'],
  shipped: ['delivered'],
  delivered: [],
  cancelled: [],
  failed: ['pending'],
};

/** The shortest way from `pending` to each status. */
const WAY: Record<OrderStatus, readonly OrderStatus[]> = {
  pending: [],
  processing: ['processing'],
  confirmed: ['processing', 'confirmed'],
  shipped: ['processing', 'confirmed', 'shipped'],
  delivered: ['processing', 'confirmed', 'shipped', 'delivered'],
  cancelled: ['cancelled'],
  failed: ['processing', 'failed'],
};

const PAIRS = ORDER_STATUSES.flatMap((from) => ORDER_STATUSES.map((to) => ({ from, to })));
const EDGES = PAIRS.filter(({ from, to }) => MOVES[from].includes(to));
const NON_EDGES = PAIRS.filter(({ from, to }) => !MOVES[from].includes(to));

const move = (id: string, status: OrderStatus, ifMatch?: string) =>
  daybook.api('PATCH', `/orders/${id}`, {
    body: { status },
    headers: ifMatch === undefined ? {} : { 'if-match': ifMatch },
  });
const read = async (id: string) => (await daybook.api('GET', `/orders/${id}`)).body;
const stockOf = async (sku: string) => (await daybook.api('GET', `/products/${sku}/stock`)).body;

async function walk(id: string, ...way: readonly OrderStatus[]): Promise<void> {
  for (const status of way) {
    const { status: answer, text } = await move(id, status);
    if (answer !== 200) throw new Error(`${id} did not become ${status}: ${text}`);
  }
}

async function orderIn(status: OrderStatus, sku = 'TEA', quantity = 1): Promise<string> {
  const { body, text } = await daybook.api('POST', '/orders', { body: { lines: [{ sku, quantity }] } });
  if (body.id === undefined) throw new Error(text);
  await walk(body.id, ...WAY[status]);
  return body.id;
}

/** Everything the database holds on an order, to see that nothing of it changed. */
const traceOf = (id: string) =>
  daybook.database.query(
    `SELECT orders.*, (SELECT count(*) FROM journal WHERE entity_id = $1) AS entries,
       (SELECT jsonb_agg(level ORDER BY level) FROM stock_levels level) AS stock,
       (SELECT count(*) FROM stock_movements) AS movements
     FROM orders WHERE id = replace($1, '-', '00000')::bigint`,
    [id],
  );

describe('the way of an order', () => {
  it('has 9 edges and 40 pairs that are none', () => {
    expect([EDGES.length, NON_EDGES.length]).toEqual([9, 40]);
  });

  it.each(EDGES)('leads from $from to $to', async ({ from, to }) => {
    const id = await orderIn(from);
    const before = await read(id);
    const moved = await move(id, to);
    const version = WAY[from].length + 2;
    expect(moved.status).toBe(200);
    expect(moved.headers.get('etag')).toBe(`"${version}"`);
    expect(moved.body).toEqual({ ...before, status: to, version, updatedAt: moved.body.updatedAt });
    expect(Date.parse(moved.body.updatedAt)).toBeGreaterThanOrEqual(Date.parse(before.updatedAt));
    expect(await read(id)).toEqual(moved.body);
    expect((await daybook.api('GET', `/orders/${id}/transitions`)).body.allowed).toEqual(MOVES[to]);
  });

  it.each(NON_EDGES)('does not lead from $from to $to, and says where it does', async ({ from, to }) => {
    const id = await orderIn(from);
    const before = await traceOf(id);
    const refused = expectProblem(await move(id, to), 409, 'illegal_transition');
    expect(refused).toMatchObject({ from, to, allowed: MOVES[from] });
    expect(await traceOf(id)).toEqual(before);
  });

  it('is journaled step by step: versions 1 to n, each from where the one before arrived', async () => {
    const way: OrderStatus[] = [
      'processing',
      'pending',
      'processing',
      'failed',
      'pending',
      'processing',
      'confirmed',
    ];
    const id = await orderIn('pending');
    await walk(id, ...way, 'shipped', 'delivered');
    const { data } = (await daybook.api('GET', `/orders/${id}/audit`)).body;
    const steps = ['pending', ...way, 'shipped', 'delivered'];
    expect(data.map(({ version }: { version: number }) => version)).toEqual(
      steps.map((_, index) => index + 1),
    );
    expect(data.slice(1).map((entry: { data: object }) => entry.data)).toEqual(
      steps.slice(1).map((status, index) => ({ before: { status: steps[index] }, after: { status } })),
    );
  });
});

describe('If-Match', () => {
  it('lets the move happen at that version, and at any with *', async () => {
    const id = await orderIn('pending');
    expect((await move(id, 'processing', '"1"')).status).toBe(200);
    expect((await move(id, 'confirmed', '*')).status).toBe(200);
    expect((await move(id, 'shipped', 'W/"3"')).body).toMatchObject({ status: 'shipped', version: 4 });
  });

  it('keeps the move from happening at another version, and says which it is at', async () => {
    const id = await orderIn('processing');
    const before = await traceOf(id);
    for (const tag of ['"1"', '"3"', '"0"', '"999999999"']) {
      const refused = expectProblem(await move(id, 'confirmed', tag), 412, 'version_conflict');
      expect(refused).toMatchObject({ currentVersion: 2 });
    }
    expect(await traceOf(id)).toEqual(before);
  });

  it('comes before the question whether the move is one of those allowed', async () => {
    expectProblem(await move(await orderIn('pending'), 'delivered', '"7"'), 412, 'version_conflict');
  });
});

describe('moves of one order at the same moment', () => {
  it('happen once per version: of ten that ask for the same, one is answered 200', async () => {
    const id = await orderIn('pending');
    const answers = await Promise.all(Array.from({ length: 10 }, () => move(id, 'processing', '"1"')));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array<number>(9).fill(412)]);
    expect(await read(id)).toMatchObject({ status: 'processing', version: 2 });
  });

  it('are decided one after the other: cancelled and processed excludes each other', async () => {
    const ids = await Promise.all(Array.from({ length: 10 }, () => orderIn('pending')));
    const before = (await stockOf('TEA')).allocated;
    const answers = await Promise.all(
      ids.map((id) => Promise.all([move(id, 'cancelled'), move(id, 'processing')])),
    );
    for (const pair of answers) expect(pair.map(({ status }) => status).sort()).toEqual([200, 409]);
    const cancelled = answers.filter(([cancellation]) => cancellation.status === 200).length;
    expect((await stockOf('TEA')).allocated).toBe(before - cancelled);
  });
});

describe('the stock of an order', () => {
  const movementsOf = (sku: string) =>
    daybook.database.query(
      `SELECT kind, quantity_delta::int AS delta, warehouse.code AS warehouse, reason FROM stock_movements movement
       JOIN products product ON product.id = movement.product_id
       JOIN warehouses warehouse ON warehouse.id = movement.warehouse_id
       WHERE sku = $1 ORDER BY movement.id`,
      [sku],
    );

  beforeAll(() =>
    daybook.api('POST', '/warehouses', { body: { code: 'north', name: 'North', priority: 200 } }),
  );

  /** Five in the main warehouse and four in the north. */
  async function createSpread(sku: string): Promise<string> {
    await daybook.createProduct(sku, 5);
    const body = { sku, warehouse: 'north', quantityDelta: 4, reason: 'received' };
    await daybook.api('POST', '/stock-adjustments', { body });
    return sku;
  }

  it.each<[OrderStatus, number, number]>([
    ['pending', 9, 7],
    ['processing', 9, 7],
    ['confirmed', 9, 7],
    ['shipped', 2, 0],
    ['delivered', 2, 0],
    ['cancelled', 9, 0],
    ['failed', 9, 0],
  ])(
    'is, of 9 of which it has 7, when it is %s: %i on hand, %i allocated',
    async (status, onHand, allocated) => {
      const sku = await createSpread(`SPREAD-${status}`);
      const id = await orderIn(status, sku, 7);
      const available = onHand - allocated;
      expect(await stockOf(sku)).toMatchObject({ onHand, reserved: 0, allocated, available });
      const received = [
        { kind: 'received', delta: 5, warehouse: 'main', reason: 'received' },
        { kind: 'received', delta: 4, warehouse: 'north', reason: 'received' },
      ];
      const shipped = [
        { kind: 'shipped', delta: -5, warehouse: 'main', reason: `order ${id}` },
        { kind: 'shipped', delta: -2, warehouse: 'north', reason: `order ${id}` },
      ];
      expect(await movementsOf(sku)).toEqual(onHand === 2 ? [...received, ...shipped] : received);
    },
  );

  it('comes back when a confirmed order is cancelled, for the next one to have', async () => {
    const sku = await daybook.createProduct('BACK', 3);
    const id = await orderIn('confirmed', sku, 3);
    await walk(id, 'cancelled');
    expect(await stockOf(sku)).toMatchObject({ onHand: 3, allocated: 0, available: 3 });
    await orderIn('pending', sku, 3);
  });

  it('is allocated anew when a failed order is redriven, from wherever there is some by then', async () => {
    const sku = await createSpread('REDRIVE');
    const id = await orderIn('failed', sku, 4);
    await orderIn('pending', sku, 4);
    const { body } = await move(id, 'pending');
    expect(body.lines[0].allocations).toEqual([{ warehouse: 'north', quantity: 4 }]);
    expect(await read(id)).toEqual(body);
    expect(await stockOf(sku)).toMatchObject({ onHand: 9, allocated: 8 });
    await walk(id, 'processing', 'confirmed', 'shipped');
    expect((await movementsOf(sku)).at(-1)).toMatchObject({ kind: 'shipped', delta: -4, warehouse: 'north' });
  });

  it('that is gone keeps a failed order failed, and the refusal says how much there is', async () => {
    const sku = await daybook.createProduct('GONE', 5);
    const id = await orderIn('failed', sku, 3);
    await orderIn('pending', sku, 4);
    const before = await traceOf(id);
    const refused = expectProblem(await move(id, 'pending'), 409, 'insufficient_stock');
    expect(refused['lines']).toEqual([{ sku, requested: 3, available: 1 }]);
    expect(await traceOf(id)).toEqual(before);
  });

  it('goes to as many redriven orders as it suffices for when all ask at once', async () => {
    const sku = await daybook.createProduct('SCARCE', 30);
    const failed = await Promise.all(Array.from({ length: 10 }, () => orderIn('failed', sku, 3)));
    await orderIn('pending', sku, 18);
    const answers = await Promise.all(failed.map((id) => move(id, 'pending')));
    expect(answers.map(({ status }) => status).sort()).toEqual([
      200,
      200,
      200,
      200,
      ...Array<number>(6).fill(409),
    ]);
    expect(await stockOf(sku)).toMatchObject({ onHand: 30, allocated: 30, available: 0 });
  });
});

describe('a customer', () => {
  const asAlice = (id: string, body: object, headers: Record<string, string> = {}) =>
    daybook.api('PATCH', `/orders/${id}`, { token: daybook.tokens.alice, body, headers });

  it('cancels their own order while that is possible', async () => {
    const { id } = (
      await daybook.api('POST', '/orders', {
        token: daybook.tokens.alice,
        body: { lines: [{ sku: 'TEA', quantity: 1 }] },
      })
    ).body;
    expectProblem(await asAlice(id, { status: 'cancelled' }, { 'if-match': '"2"' }), 412, 'version_conflict');
    expect((await asAlice(id, { status: 'cancelled' }, { 'if-match': '"1"' })).body.status).toBe('cancelled');
    const again = expectProblem(await asAlice(id, { status: 'cancelled' }), 409, 'illegal_transition');
    expect(again).toMatchObject({ from: 'cancelled', to: 'cancelled', allowed: [] });
  });
});
