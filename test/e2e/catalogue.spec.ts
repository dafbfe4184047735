import { startTestApp, type TestApp, type TestResponse } from '../support/app.js';
import { withHeldLocks } from '../support/held-locks.js';
import { expectInvalid, expectProblem } from '../support/problem.js';

let daybook: TestApp;

beforeAll(async () => {
  daybook = await startTestApp();
});
afterAll(() => daybook.stop());

const createProduct = (body: object) => daybook.api('POST', '/products', { body });
const changeProduct = (sku: string, body: object, ifMatch?: string) =>
  daybook.api('PATCH', `/products/${sku}`, {
    body,
    headers: ifMatch === undefined ? {} : { 'if-match': ifMatch },
  });
const adjust = (sku: string, quantityDelta: number, more: object = {}) =>
  daybook.api('POST', '/stock-adjustments', { body: { sku, quantityDelta, reason: 'received', ...more } });
const stockOf = async (sku: string) => (await daybook.api('GET', `/products/${sku}/stock`)).body;
const order = (sku: string, quantity: number) =>
  daybook.api('POST', '/orders', { body: { lines: [{ sku, quantity }] } });

/** Follows the cursors of a list to its end; the SKUs or codes of each page. */
async function pagesOf(path: string, member: 'sku' | 'code'): Promise<string[][]> {
  const pages: string[][] = [];
  for (let next: string | null = path; next !== null;) {
    const { body, headers }: TestResponse = await daybook.api('GET', next);
    pages.push(body.data.map((row: Record<string, string>) => row[member]));
    const link = /^<\/api\/v1(.*)>; rel="next"$/.exec(headers.get('link') ?? '')?.[1] ?? null;
    expect(link === null).toBe(body.nextCursor === null);
    next = link;
  }
  return pages;
}

describe('a product', () => {
  it('is created at version 1 with an empty stock, and is read back as it was answered', async () => {
    const created = await createProduct({ sku: 'NEW.1_a-B', name: 'Grüner Tee №1', priceCents: 1890 });
    expect(created.status).toBe(201);
    expect(created.headers.get('location')).toBe('/api/v1/products/NEW.1_a-B');
    expect(created.headers.get('etag')).toBe('"1"');
    expect(created.body).toEqual({
      sku: 'NEW.1_a-B',
      name: 'Grüner Tee №1',
      priceCents: 1890,
      currency: 'USD',
      active: true,
      version: 1,
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      updatedAt: created.body.createdAt,
    });
    const read = await daybook.api('GET', '/products/NEW.1_a-B');
    expect(read.body).toEqual(created.body);
    expect(read.headers.get('etag')).toBe('"1"');
    const nothing = { onHand: 0, reserved: 0, allocated: 0, available: 0 };
    const warehouses = [{ warehouse: 'main', ...nothing }];
    expect(await stockOf('NEW.1_a-B')).toEqual({ sku: 'NEW.1_a-B', ...nothing, warehouses });
  });

  it('keeps the smallest and the largest price exactly, in the currency it was given', async () => {
    for (const [sku, priceCents] of [
      ['FREE', 0],
      ['DEAR', 9_999_999_999],
    ] as const) {
      await createProduct({ sku, name: sku, priceCents, currency: 'JPY' });
      expect((await daybook.api('GET', `/products/${sku}`)).body).toMatchObject({
        priceCents,
        currency: 'JPY',
      });
    }
  });

  it('has a SKU of its own: a second one is refused, also when both come at once', async () => {
    const body = { sku: 'TWICE', name: 'One of two', priceCents: 100 };
    const answers = await Promise.all([createProduct(body), createProduct(body), createProduct(body)]);
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409]);
    expect(expectProblem(await createProduct(body), 409, 'duplicate_sku')).toMatchObject({ sku: 'TWICE' });
    expect(
      await daybook.database.query(`SELECT version FROM journal WHERE entity_id = 'TWICE'`),
    ).toHaveLength(1);
  });

  it('has a SKU in which case counts', async () => {
    await createProduct({ sku: 'CASE', name: 'Upper', priceCents: 1 });
    expect((await createProduct({ sku: 'case', name: 'Lower', priceCents: 2 })).status).toBe(201);
    expect((await daybook.api('GET', '/products/case')).body.name).toBe('Lower');
  });

  it('that does not exist is not found, by any route', async () => {
    expectProblem(await daybook.api('GET', '/products/NOWHERE'), 404, 'not_found');
    expectProblem(await daybook.api('GET', '/products/NOWHERE/stock'), 404, 'not_found');
    expectProblem(await changeProduct('NOWHERE', { name: 'x' }), 404, 'not_found');
  });
});

describe('changing a product', () => {
  it('changes what it names and nothing else, and journals before and after', async () => {
    const { body: before } = await createProduct({ sku: 'CHANGE', name: 'Old', priceCents: 100 });
    const changed = await changeProduct('CHANGE', { name: 'New' });
    expect(changed.status).toBe(200);
    expect(changed.headers.get('etag')).toBe('"2"');
    expect(changed.body).toEqual({ ...before, name: 'New', version: 2, updatedAt: changed.body.updatedAt });
    expect((await daybook.api('GET', '/products/CHANGE')).body).toEqual(changed.body);
    const rows = await daybook.database.query(
      `SELECT type, version, actor, data FROM journal WHERE entity_type = 'product' AND entity_id = 'CHANGE'
       ORDER BY version`,
    );
    expect(rows).toMatchObject([
      { type: 'product.created', version: 1, actor: 'operator-1' },
      { type: 'product.changed', version: 2, data: { before: { name: 'Old' }, after: { name: 'New' } } },
    ]);
  });

  it('that changes nothing leaves the version alone', async () => {
    await createProduct({ sku: 'SAME', name: 'Same', priceCents: 100 });
    for (const body of [{}, { name: 'Same' }, { priceCents: 100, active: true }]) {
      expect(await changeProduct('SAME', body)).toMatchObject({ status: 200, body: { version: 1 } });
    }
  });

  it('with If-Match happens only at that version; a stale one is told the current', async () => {
    await createProduct({ sku: 'MATCH', name: 'a', priceCents: 100 });
    expect((await changeProduct('MATCH', { name: 'b' }, '"1"')).status).toBe(200);
    const stale = await changeProduct('MATCH', { name: 'c' }, '"1"');
    expect(expectProblem(stale, 412, 'version_conflict')).toMatchObject({ currentVersion: 2 });
    expect((await daybook.api('GET', '/products/MATCH')).body).toMatchObject({ name: 'b', version: 2 });
    expect((await changeProduct('MATCH', { name: 'c' }, '*')).body).toMatchObject({ name: 'c', version: 3 });
  });

  it('by several at once from the same version succeeds for one of them', async () => {
    await createProduct({ sku: 'RACE', name: 'start', priceCents: 100 });
    const answers = await withHeldLocks(daybook.database, ['products'], async (whenWaiting) => {
      const changes = ['a', 'b', 'c', 'd'].map((name) => changeProduct('RACE', { name }, '"1"'));
      await whenWaiting(changes.length);
      return changes;
    });
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412, 412, 412]);
    const winner = answers.find(({ status }) => status === 200);
    expect((await daybook.api('GET', '/products/RACE')).body).toEqual(winner?.body);
  });

  it('leaves the name and price of orders as they were placed', async () => {
    await daybook.createProduct('PLACED', 10, 500);
    const { body: placed } = await order('PLACED', 2);
    await changeProduct('PLACED', { name: 'Renamed', priceCents: 900 });
    expect((await daybook.api('GET', `/orders/${placed.id}`)).body).toEqual(placed);
    expect((await order('PLACED', 1)).body).toMatchObject({ totalCents: 900, lines: [{ name: 'Renamed' }] });
  });

  it('to inactive stops its sale, not its reading, until it is active again', async () => {
    await daybook.createProduct('OFF', 10);
    await daybook.createProduct('ON', 10);
    await changeProduct('OFF', { active: false });
    expect(expectProblem(await order('OFF', 1), 409, 'product_inactive')).toMatchObject({ sku: 'OFF' });
    const lines = ['ON', 'OFF'].map((sku) => ({ sku, quantity: 1 }));
    expectProblem(await daybook.api('POST', '/orders', { body: { lines } }), 409, 'product_inactive');
    expect(await stockOf('ON')).toMatchObject({ allocated: 0 });
    expect((await daybook.api('GET', '/products/OFF')).body.active).toBe(false);
    expect((await daybook.api('GET', '/products?sku=OFF')).body.data).toHaveLength(1);
    await changeProduct('OFF', { active: true });
    expect((await order('OFF', 1)).status).toBe(201);
  });
});

describe('the list of products', () => {
  const names: Record<string, string> = {
    'LIST-1': 'Green tea',
    'LIST-2': 'Black TEA 100%',
    'LIST-3': 'Coffee',
    'LIST-4': 'Iced_tea',
    LISTING: 'Catalogue',
    'list-1': 'Lower case',
  };
  const skusOf = async (query: string) => (await pagesOf(`/products?${query}`, 'sku')).flat();

  beforeAll(async () => {
    await Promise.all(
      Object.entries(names).map(([sku, name]) => createProduct({ sku, name, priceCents: 1 })),
    );
  });

  it('can be narrowed to a SKU prefix, in which case counts', async () => {
    expect(await skusOf('sku=LIST-')).toEqual(['LIST-1', 'LIST-2', 'LIST-3', 'LIST-4']);
    expect(await skusOf('sku=LIST')).toHaveLength(5);
    expect(await skusOf('sku=list')).toEqual(['list-1']);
    expect(await skusOf('sku=LIST-2')).toEqual(['LIST-2']);
    expect(await skusOf('sku=nothing')).toEqual([]);
  });

  it('can be narrowed to a text in the name, in any case', async () => {
    expect(await skusOf('sku=LIST&text=tea')).toEqual(['LIST-1', 'LIST-2', 'LIST-4']);
    expect(await skusOf('sku=LIST&text=GREEN%20t')).toEqual(['LIST-1']);
  });

  it('takes the wildcards of SQL for what they are', async () => {
    expect(await skusOf('text=100%25')).toEqual(['LIST-2']);
    expect(await skusOf('text=d_t')).toEqual(['LIST-4']);
    expect(await skusOf('sku=L_ST')).toEqual([]);
  });

  it.each([1, 2, 3, 4, 5, 6, 200])('is walked by cursor once through, %i a page', async (limit) => {
    const pages = await pagesOf(`/products?sku=LIST&limit=${limit}`, 'sku');
    const skus = pages.flat();
    expect([...skus].sort()).toEqual(['LIST-1', 'LIST-2', 'LIST-3', 'LIST-4', 'LISTING']);
    expect(pages.map(({ length }) => length)).toEqual(
      Array.from({ length: Math.ceil(5 / limit) }, (_, page) => Math.min(limit, 5 - page * limit)),
    );
  });

  it('has the same order whatever the size of the page', async () => {
    expect(await skusOf('limit=3')).toEqual(await skusOf('limit=200'));
  });

  it('refuses a cursor that was made for other filters', async () => {
    const { nextCursor } = (await daybook.api('GET', '/products?sku=LIST&limit=2')).body;
    for (const query of ['sku=LIST-', 'text=tea&sku=LIST', '']) {
      expectInvalid(await daybook.api('GET', `/products?${query}&cursor=${nextCursor}`), 'cursor');
    }
    expectInvalid(await daybook.api('GET', `/warehouses?cursor=${nextCursor}`), 'cursor');
    expect((await daybook.api('GET', `/products?sku=LIST&cursor=${nextCursor}`)).status).toBe(200);
  });
});

describe('a stock adjustment', () => {
  it('answers with the level after it, and every one is a stock movement', async () => {
    await daybook.createProduct('MOVE', 0);
    const steps = [
      { quantityDelta: 100, reason: 'received', kind: 'received' },
      { quantityDelta: -3, reason: 'Broken on the way', kind: 'adjusted' },
      { quantityDelta: 2, reason: 'returned', kind: 'returned' },
    ];
    let onHand = 0;
    for (const { quantityDelta, reason } of steps) {
      onHand += quantityDelta;
      const adjusted = await adjust('MOVE', quantityDelta, { reason });
      expect(adjusted.status).toBe(201);
      const level = { onHand, reserved: 0, allocated: 0, available: onHand };
      expect(adjusted.body).toMatchObject({
        sku: 'MOVE',
        warehouse: 'main',
        quantityDelta,
        reason,
        ...level,
      });
    }
    expect(await stockOf('MOVE')).toMatchObject({ onHand: 99, available: 99 });
    const movements = await daybook.database.query(
      `SELECT kind, quantity_delta::int AS "quantityDelta", reason FROM stock_movements movement
       JOIN products product ON product.id = movement.product_id WHERE sku = 'MOVE' ORDER BY movement.id`,
    );
    expect(movements).toEqual(steps);
  });

  it('never leaves less than orders claim, and then changes nothing', async () => {
    await daybook.createProduct('CLAIMED', 10);
    await order('CLAIMED', 6);
    const refused = expectProblem(await adjust('CLAIMED', -5), 409, 'insufficient_stock');
    expect(refused['lines']).toEqual([{ sku: 'CLAIMED', requested: 5, available: 4 }]);
    expect(await stockOf('CLAIMED')).toMatchObject({ onHand: 10, allocated: 6, available: 4 });
    expect((await adjust('CLAIMED', -4)).body).toMatchObject({ onHand: 6, allocated: 6, available: 0 });
    expectProblem(await adjust('CLAIMED', -1), 409, 'insufficient_stock');
  });

  it('never leaves less than nothing', async () => {
    await daybook.createProduct('EMPTY', 0);
    const refused = expectProblem(await adjust('EMPTY', -1), 409, 'insufficient_stock');
    expect(refused['lines']).toEqual([{ sku: 'EMPTY', requested: 1, available: 0 }]);
  });

  it('adds up with all others, many at a time', async () => {
    await daybook.createProduct('BUSY', 50);
    const deltas = Array.from({ length: 40 }, (_, index) => (index % 2 === 0 ? 3 : -2));
    const answers = await Promise.all(deltas.map((delta) => adjust('BUSY', delta)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    expect((await stockOf('BUSY')).onHand).toBe(70);
  });

  it('of an unknown product or in an unknown warehouse names the field', async () => {
    await daybook.createProduct('KNOWN', 0);
    expectInvalid(await adjust('UNKNOWN', 1), 'sku');
    expectInvalid(await adjust('KNOWN', 1, { warehouse: 'nowhere' }), 'warehouse');
  });
});

describe('warehouses', () => {
  const createWarehouse = (code: string, priority?: number) =>
    daybook.api('POST', '/warehouses', {
      body: { code, name: `Warehouse ${code}`, ...(priority && { priority }) },
    });
  const allocationsOf = ({ body }: TestResponse) =>
    body.lines.map((line: { allocations: { warehouse: string; quantity: number }[] }) =>
      line.allocations.map(({ warehouse, quantity }) => `${quantity} from ${warehouse}`),
    );

  beforeAll(async () => {
    await createWarehouse('near', 10);
    await createWarehouse('far', 900);
  });

  it('have `main` among them from the start, and are listed by code, page by page', async () => {
    expect(await pagesOf('/warehouses?limit=2', 'code')).toEqual([['far', 'main'], ['near']]);
    const { data } = (await daybook.api('GET', '/warehouses')).body;
    expect(data[1]).toMatchObject({ code: 'main', name: 'Main warehouse', priority: 100 });
  });

  it('have a code of their own and a priority of 100 unless told otherwise', async () => {
    const created = await createWarehouse('extra');
    expect(created).toMatchObject({
      status: 201,
      body: { code: 'extra', name: 'Warehouse extra', priority: 100 },
    });
    expect(expectProblem(await createWarehouse('extra'), 409, 'duplicate_warehouse')).toMatchObject({
      warehouse: 'extra',
    });
  });

  it('hold their stock apart; a product counts the sum, best warehouse first', async () => {
    await daybook.createProduct('SPREAD', 5);
    await adjust('SPREAD', 7, { warehouse: 'far' });
    await adjust('SPREAD', 3, { warehouse: 'near' });
    const level = (warehouse: string, onHand: number) => ({
      warehouse,
      onHand,
      reserved: 0,
      allocated: 0,
      available: onHand,
    });
    expect(await stockOf('SPREAD')).toEqual({
      ...{ sku: 'SPREAD', onHand: 15, reserved: 0, allocated: 0, available: 15 },
      warehouses: [level('near', 3), level('main', 5), level('far', 7)],
    });
    const refused = await adjust('SPREAD', -4, { warehouse: 'near' });
    expect(expectProblem(refused, 409, 'insufficient_stock')['lines']).toEqual([
      { sku: 'SPREAD', requested: 4, available: 3 },
    ]);
  });

  it('give an order from the best one that has it all, and split it only when none has', async () => {
    await daybook.createProduct('SPLIT', 5);
    await adjust('SPLIT', 3, { warehouse: 'near' });
    await adjust('SPLIT', 7, { warehouse: 'far' });
    expect(allocationsOf(await order('SPLIT', 2))).toEqual([['2 from near']]);
    expect(allocationsOf(await order('SPLIT', 4))).toEqual([['4 from main']]);
    expect(allocationsOf(await order('SPLIT', 8))).toEqual([['1 from near', '1 from main', '6 from far']]);
    expect(await stockOf('SPLIT')).toMatchObject({ onHand: 15, allocated: 14, available: 1 });
    const short = expectProblem(await order('SPLIT', 2), 409, 'insufficient_stock');
    expect(short['lines']).toEqual([{ sku: 'SPLIT', requested: 2, available: 1 }]);
  });

  it('give all lines of an order from one of them, though each line alone would come from a better one', async () => {
    await daybook.createProduct('PAIR-A', 5);
    await daybook.createProduct('PAIR-B', 0);
    for (const sku of ['PAIR-A', 'PAIR-B']) await adjust(sku, 5, { warehouse: 'far' });
    const lines = ['PAIR-A', 'PAIR-B'].map((sku) => ({ sku, quantity: 1 }));
    const placed = await daybook.api('POST', '/orders', { body: { lines } });
    expect(allocationsOf(placed)).toEqual([['1 from far'], ['1 from far']]);
  });
});
