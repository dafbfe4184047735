import { randomUUID } from 'node:crypto';

import { startTestApp, type TestApp, type TestResponse } from '../support/app.js';
import { withHeldLocks } from '../support/held-locks.js';
import { expectInvalid, expectProblem } from '../support/problem.js';

let daybook: TestApp;

beforeAll(async () => {
  daybook = await startTestApp();
  await daybook.createProduct('TEA', 1_000_000, 1250);
});
afterAll(() => daybook.stop());

interface Asked {
  readonly key?: string;
  readonly caller?: 'operator' | 'alice' | 'bob';
}

const post = (path: string, body: unknown, { key, caller = 'operator' }: Asked = {}) =>
  daybook.api('POST', path, {
    token: daybook.tokens[caller],
    body,
    headers: key === undefined ? {} : { 'idempotency-key': key },
  });
const order = (quantity = 1, more: object = {}) => ({ lines: [{ sku: 'TEA', quantity }], ...more });
const isReplay = ({ headers }: TestResponse) => headers.get('idempotent-replayed') === 'true';
const stockOf = async (sku: string) => (await daybook.api('GET', `/products/${sku}/stock`)).body;
const count = async (table: string) =>
  (await daybook.database.query<{ count: number }>(`SELECT count(*)::int AS count FROM ${table}`))[0]
    ?.count ?? NaN;

/** What a replay must repeat to the byte. */
function bytesOf({ status, text, headers }: TestResponse) {
  const kept = ['content-type', 'location', 'etag'];
  return { status, text, headers: Object.fromEntries(kept.map((name) => [name, headers.get(name)])) };
}

describe('a POST that is repeated with its key', () => {
  it('is answered byte for byte as before, and marked as a replay', async () => {
    const key = randomUUID();
    const first = await post('/orders', order(2), { key });
    const second = await post('/orders', order(2), { key });
    expect([first, second].map(isReplay)).toEqual([false, true]);
    expect(first.status).toBe(201);
    expect(bytesOf(second)).toEqual(bytesOf(first));
  });

  it('is answered as it was then, though the order has moved on since', async () => {
    const key = randomUUID();
    const first = await post('/orders', order(), { key });
    await daybook.api('PATCH', `/orders/${first.body.id}`, { body: { status: 'processing' } });
    const second = await post('/orders', order(), { key });
    expect(bytesOf(second)).toEqual(bytesOf(first));
    expect(second.body.status).toBe('pending');
  });

  it('changes nothing: one order, one claim on stock, one journal row', async () => {
    await daybook.createProduct('ONCE', 10);
    const [key, body] = [randomUUID(), { lines: [{ sku: 'ONCE', quantity: 3 }] }];
    const { id } = (await post('/orders', body, { key })).body;
    const [orders, entries] = [await count('orders'), await count('journal')];
    for (let repetition = 0; repetition < 3; repetition += 1) {
      expect((await post('/orders', body, { key })).body.id).toBe(id);
    }
    expect([await count('orders'), await count('journal')]).toEqual([orders, entries]);
    expect(await stockOf('ONCE')).toMatchObject({ allocated: 3 });
  });

  it('is done once when twenty come at the same moment', async () => {
    await daybook.createProduct('RUSH', 100);
    const [key, body] = [randomUUID(), { lines: [{ sku: 'RUSH', quantity: 2 }] }];
    const answers = await Promise.all(Array.from({ length: 20 }, () => post('/orders', body, { key })));
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    expect(answers.filter((answer) => !isReplay(answer))).toHaveLength(1);
    expect(await stockOf('RUSH')).toMatchObject({ allocated: 2 });
  });

  it.each([
    ['orders', 'TWIN-O', { lines: [{ sku: 'TWIN-O', quantity: 2 }], clientOrderId: 'twin' }],
    ['stock-adjustments', 'TWIN-S', { sku: 'TWIN-S', quantityDelta: -2, reason: 'broken' }],
    ['products', 'TWIN-P', { sku: 'TWIN-P-NEW', name: 'Twin', priceCents: 1 }],
    ['warehouses', 'TWIN-W', { code: 'twin', name: 'Twin' }],
  ])('is not refused on POST /%s for what its own twin took a moment ago', async (path, sku, body) => {
    await daybook.createProduct(sku, 2);
    const key = randomUUID();
    const first = await withHeldLocks(
      daybook.database,
      ['products', 'warehouses', 'stock_levels'],
      async (whenWaiting) => {
        const twins = [post(`/${path}`, body, { key })];
        await whenWaiting(1);
        twins.push(post(`/${path}`, body, { key }));
        await whenWaiting(2);
        return twins;
      },
    );
    expect(first.map(({ status }) => status)).toEqual([201, 201]);
    expect(first.map(isReplay).sort()).toEqual([false, true]);
    expect(new Set(first.map(({ text }) => text)).size).toBe(1);
  });

  it('is the same request however its JSON is laid out', async () => {
    const key = randomUUID();
    const first = await post('/orders', '{"lines":[{"sku":"TEA","quantity":1}],"priority":"high"}', { key });
    const again = ' {"priority" : "high",\n "lines":[ {"quantity":1.0, "sku":"\\u0054EA"} ]}';
    expect(bytesOf(await post('/orders', again, { key }))).toEqual(bytesOf(first));
  });

  it.each([
    ['quoted or not', 'a key', '"a key"'],
    ['with blanks around it or not', 'another', '  another '],
    ['of 255 characters, quoted or not', 'k'.repeat(255), `"${'k'.repeat(255)}"`],
    ['of one character, quoted or not', '!', '"!"'],
  ])('has the same key %s', async (_, one, other) => {
    const first = await post('/orders', order(), { key: one });
    const second = await post('/orders', order(), { key: other });
    expect(first.status).toBe(201);
    expect(isReplay(second)).toBe(true);
    expect(second.body.id).toBe(first.body.id);
  });
});

describe('a key', () => {
  it('that was used with another body is refused, and the first answer stays', async () => {
    const key = randomUUID();
    const first = await post('/orders', order(1), { key });
    const orders = await count('orders');
    for (const other of [
      order(2),
      order(1, { priority: 'high' }),
      { lines: [...order().lines, ...order().lines] },
    ]) {
      expectProblem(await post('/orders', other, { key }), 422, 'idempotency_key_reused');
    }
    expect(await count('orders')).toBe(orders);
    expect(bytesOf(await post('/orders', order(1), { key }))).toEqual(bytesOf(first));
  });

  it('that was used on another route is refused', async () => {
    const key = randomUUID();
    await post('/orders', order(), { key });
    const product = { sku: 'ROUTE', name: 'Route', priceCents: 1 };
    expectProblem(await post('/products', product, { key }), 422, 'idempotency_key_reused');
    expectProblem(await post('/orders/bulk', { orders: [order()] }, { key }), 422, 'idempotency_key_reused');
    expectProblem(await daybook.api('GET', '/products/ROUTE'), 404, 'not_found');
  });

  it("does not meet another caller's: each has their own order", async () => {
    const key = randomUUID();
    const callers = ['alice', 'bob', 'operator'] as const;
    const answers = await Promise.all(callers.map((caller) => post('/orders', order(), { key, caller })));
    expect(answers.map(isReplay)).toEqual([false, false, false]);
    expect(answers.map(({ body }) => body.customerId)).toEqual(['alice', 'bob', 'operator-1']);
    for (const [index, caller] of callers.entries()) {
      expect((await post('/orders', order(), { key, caller })).text).toBe(answers[index]?.text);
    }
  });

  it('of a refused request is not used up: the same request may succeed later, another one may come', async () => {
    await daybook.createProduct('LATER', 1);
    const [key, body] = [randomUUID(), { lines: [{ sku: 'LATER', quantity: 5 }] }];
    expectProblem(await post('/orders', body, { key }), 409, 'insufficient_stock');
    expectInvalid(await post('/orders', order(0), { key }), 'lines[0].quantity');
    expectInvalid(await post('/orders', { lines: [{ sku: 'NONE', quantity: 1 }] }, { key }), 'lines[0].sku');
    await post('/stock-adjustments', { sku: 'LATER', quantityDelta: 4, reason: 'received' });
    const placed = await post('/orders', body, { key });
    expect(placed.status).toBe(201);
    expect(isReplay(placed)).toBe(false);
    expect(isReplay(await post('/orders', body, { key }))).toBe(true);
  });

  it('is of no use to the next request once its caller sends none', async () => {
    const ids = await Promise.all([post('/orders', order()), post('/orders', order())]);
    expect(ids[0]?.body.id).not.toBe(ids[1]?.body.id);
  });

  it.each([
    [
      'products',
      { sku: 'IDEM', name: 'Once', priceCents: 1 },
      { sku: 'IDEM-2', name: 'Twice', priceCents: 1 },
    ],
    ['warehouses', { code: 'idem', name: 'Once' }, { code: 'idem-2', name: 'Twice' }],
    [
      'stock-adjustments',
      { sku: 'TEA', quantityDelta: 5, reason: 'received' },
      { sku: 'TEA', quantityDelta: 6, reason: 'received' },
    ],
    ['orders', order(), order(2)],
    ['orders/bulk', { orders: [order()] }, { orders: [order(2)] }],
  ])(
    'works on POST /%s: done once, also when asked at once, and refused for another body',
    async (path, one, two) => {
      const key = randomUUID();
      const answers = await Promise.all(Array.from({ length: 5 }, () => post(`/${path}`, one, { key })));
      expect(new Set(answers.map((answer) => JSON.stringify(bytesOf(answer)))).size).toBe(1);
      expect(answers[0]?.status).toBe(path === 'orders/bulk' ? 200 : 201);
      const later = await post(`/${path}`, one, { key });
      expect(isReplay(later)).toBe(true);
      expect(bytesOf(later)).toEqual(bytesOf(answers[0] as TestResponse));
      expectProblem(await post(`/${path}`, two, { key }), 422, 'idempotency_key_reused');
    },
  );
});

describe('a clientOrderId', () => {
  it('names one order of a customer for ever; a second one is told which', async () => {
    const { id } = (await post('/orders', order(1, { clientOrderId: 'cart-1' }), { caller: 'alice' })).body;
    const second = await post('/orders', order(9, { clientOrderId: 'cart-1' }), { caller: 'alice' });
    const refused = expectProblem(second, 409, 'duplicate_client_order_id');
    expect(refused).toMatchObject({ clientOrderId: 'cart-1', orderId: id });
    await daybook.api('PATCH', `/orders/${id}`, { body: { status: 'cancelled' } });
    const third = await post('/orders', order(1, { clientOrderId: 'cart-1' }), { caller: 'alice' });
    expect(expectProblem(third, 409, 'duplicate_client_order_id')['orderId']).toBe(id);
  });

  it("is the customer's own: another customer may use it too, and an operator's order for them counts", async () => {
    const body = order(1, { clientOrderId: 'shared' });
    const callers = ['alice', 'bob', 'operator'] as const;
    const answers = await Promise.all(callers.map((caller) => post('/orders', body, { caller })));
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201]);
    const forAlice = await post('/orders', { ...body, customerId: 'alice' });
    expectProblem(forAlice, 409, 'duplicate_client_order_id');
  });

  it('makes one order when ten ask at once; the others are told its number', async () => {
    const body = order(1, { clientOrderId: 'rush' });
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => post('/orders', body, { caller: 'bob' })),
    );
    const placed = answers.filter(({ status }) => status === 201);
    expect(placed).toHaveLength(1);
    for (const answer of answers.filter(({ status }) => status !== 201)) {
      const refused = expectProblem(answer, 409, 'duplicate_client_order_id');
      expect(refused['orderId']).toBe(placed[0]?.body.id);
    }
  });

  it('is not used up by an order that was refused', async () => {
    const body = { lines: [{ sku: 'TEA', quantity: 1_000_000 }], clientOrderId: 'too-much' };
    expectProblem(await post('/orders', body), 409, 'insufficient_stock');
    expect((await post('/orders', order(1, { clientOrderId: 'too-much' }))).status).toBe(201);
  });

  it('together with a key is a replay, not a duplicate', async () => {
    const [key, body] = [randomUUID(), order(1, { clientOrderId: 'both' })];
    const first = await post('/orders', body, { key });
    expect(bytesOf(await post('/orders', body, { key }))).toEqual(bytesOf(first));
    expectProblem(await post('/orders', body, { key: randomUUID() }), 409, 'duplicate_client_order_id');
  });
});

describe('a bulk', () => {
  interface Row {
    readonly index: number;
    readonly status: number;
    readonly replayed?: boolean;
    readonly order?: { readonly id: string; readonly lines: { readonly quantity: number }[] };
    readonly error?: { readonly code: string };
  }
  const bulk = (orders: unknown[], asked?: Asked) => post('/orders/bulk', { orders }, asked);
  const rowsOf = ({ body }: TestResponse) => body.results as Row[];
  const idsOf = (answer: TestResponse) => rowsOf(answer).map((row) => row.order?.id);

  it('of 500 orders answers each in its place', async () => {
    const orders = Array.from({ length: 500 }, (_, index) => order((index % 7) + 1));
    const before = await count('orders');
    const answer = await bulk(orders);
    expect(answer.status).toBe(200);
    const rows = rowsOf(answer);
    expect(rows.map(({ index, status }) => ({ index, status }))).toEqual(
      orders.map((_, index) => ({ index, status: 201 })),
    );
    expect(rows.map((row) => row.order?.lines[0]?.quantity)).toEqual(
      orders.map(({ lines }) => lines[0]?.quantity),
    );
    expect(new Set(idsOf(answer)).size).toBe(500);
    expect(await count('orders')).toBe(before + 500);
  });

  it('places the good rows and says of each bad one what the single route would have said', async () => {
    await daybook.createProduct('FEW', 1);
    await post('/orders', order(1, { clientOrderId: 'taken' }), { caller: 'alice' });
    const rows: [status: number, row: unknown, code?: string][] = [
      [201, order()],
      [400, null, 'validation_failed'],
      [400, { lines: [] }, 'validation_failed'],
      [400, order(1, { unknown: true }), 'validation_failed'],
      [400, { lines: [{ sku: 'NONE', quantity: 1 }] }, 'validation_failed'],
      [403, order(1, { customerId: 'bob' }), 'forbidden'],
      [404, { reservationId: '7d444840-9dc0-11d1-b245-5ffdce74fad2' }, 'not_found'],
      [409, { lines: [{ sku: 'FEW', quantity: 2 }] }, 'insufficient_stock'],
      [409, order(1, { clientOrderId: 'taken' }), 'duplicate_client_order_id'],
      [201, { lines: [{ sku: 'FEW', quantity: 1 }] }],
    ];
    const answer = await bulk(
      rows.map(([, row]) => row),
      { caller: 'alice' },
    );
    expect(rowsOf(answer)).toEqual(
      rows.map(([status, , code], index) =>
        code === undefined
          ? { index, status, replayed: false, order: expect.objectContaining({ customerId: 'alice' }) }
          : {
              index,
              status,
              error: expect.objectContaining({ status, code, requestId: expect.any(String) }),
            },
      ),
    );
    expect(rowsOf(answer)[2]?.error).toMatchObject({ errors: [{ path: 'lines' }] });
  });

  it('with nothing in it, or with too much, is refused as a whole', async () => {
    const before = await count('orders');
    expectInvalid(await bulk([]), 'orders');
    expectInvalid(await bulk(Array.from({ length: 501 }, () => order())), 'orders');
    expect(await count('orders')).toBe(before);
  });

  it('that is repeated with its key is answered byte for byte, refusals included, and places nothing', async () => {
    const key = randomUUID();
    const orders = [order(1), order(1_000_000), order(3)];
    const first = await bulk(orders, { key });
    expect(rowsOf(first).map(({ status }) => status)).toEqual([201, 409, 201]);
    const before = await count('orders');
    const second = await bulk(orders, { key });
    expect(isReplay(second)).toBe(true);
    expect(bytesOf(second)).toEqual(bytesOf(first));
    expect(await count('orders')).toBe(before);
    expectProblem(await bulk(orders.slice(1), { key }), 422, 'idempotency_key_reused');
  });

  it('that was cut off half way is finished by its repetition: what was placed is answered again', async () => {
    const key = randomUUID();
    const orders = [order(1), order(2), order(3), order(4)];
    // The rows of a bulk have keys of their own, so single orders with these keys are its placed half.
    const placed = [
      await post('/orders', orders[0], { key: `${key}/0` }),
      await post('/orders', orders[2], { key: `${key}/2` }),
    ];
    const before = await count('orders');
    const answer = await bulk(orders, { key });
    expect(rowsOf(answer).map(({ status, replayed }) => [status, replayed])).toEqual([
      [201, true],
      [201, false],
      [201, true],
      [201, false],
    ]);
    expect([idsOf(answer)[0], idsOf(answer)[2]]).toEqual(placed.map(({ body }) => body.id));
    expect(rowsOf(answer)[0]?.order).toEqual(placed[0]?.body);
    expect(await count('orders')).toBe(before + 2);
  });

  it('whose answer was lost, but not its rows, places none of them twice', async () => {
    const key = randomUUID();
    const orders = Array.from({ length: 20 }, (_, index) => order(index + 1));
    const first = await bulk(orders, { key });
    await daybook.database.query('DELETE FROM idempotency_keys WHERE key = $1', [key]);
    const second = await bulk(orders, { key });
    expect(idsOf(second)).toEqual(idsOf(first));
    expect(rowsOf(second).every(({ replayed }) => replayed)).toBe(true);
  });

  it('has rows whose own key is the key of the single route', async () => {
    const [first, second] = [randomUUID(), randomUUID()];
    const single = await post('/orders', order(5, { priority: 'high' }), { key: first });
    const answer = await bulk([
      order(5, { priority: 'high', idempotencyKey: first }),
      order(6, { idempotencyKey: second }),
      order(7, { idempotencyKey: first }),
    ]);
    expect(rowsOf(answer)).toMatchObject([
      { status: 201, replayed: true, order: single.body },
      { status: 201, replayed: false },
      { status: 422, error: { code: 'idempotency_key_reused' } },
    ]);
    const later = await post('/orders', order(6), { key: second });
    expect(isReplay(later)).toBe(true);
    expect(later.body.id).toBe(idsOf(answer)[1]);
  });

  it('places a row once though it is in it twice under one key', async () => {
    const idempotencyKey = randomUUID();
    const answer = await bulk([order(1, { idempotencyKey }), order(1), order(1, { idempotencyKey })]);
    const [one, , two] = rowsOf(answer);
    expect(two?.order?.id).toBe(one?.order?.id);
    expect([one?.replayed, two?.replayed].sort()).toEqual([false, true]);
  });

  it("of one caller does not meet the rows of another's, though their keys are the same", async () => {
    const key = randomUUID();
    const [ofAlice, ofBob] = await Promise.all(
      (['alice', 'bob'] as const).map((caller) => bulk([order(), order()], { key, caller })),
    );
    expect(new Set([ofAlice, ofBob].flatMap((answer) => idsOf(answer as TestResponse))).size).toBe(4);
  });
});
