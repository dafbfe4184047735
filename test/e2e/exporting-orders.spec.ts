import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';

import { ORDER_PRIORITIES, ORDER_STATUSES, type OrderResponse } from '@daybook/orders';

import { readNdjson } from '../support/answer-body.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { parseCsvRows } from '../support/csv.js';
import { insertOrders, type OrderRow } from '../support/order-rows.js';
import { expectInvalid, expectProblem } from '../support/problem.js';

/** More than two pages of an export. */
const ORDERS = 1_200;

type Row = OrderResponse & { readonly cursor: string };

let daybook: TestApp;

const toRow = (index: number, productIds: readonly number[]): OrderRow => ({
  day: index < ORDERS / 2 ? '20260630' : '20260701',
  n: index + 1,
  placedAt: new Date(Date.parse('2026-06-30T00:00:00Z') + index * 120_000),
  customerId: index % 3 === 0 ? 'alice' : 'bob',
  clientOrderId: index % 5 === 0 ? `cart-${index}` : null,
  status: ORDER_STATUSES[index % ORDER_STATUSES.length] as OrderRow['status'],
  priority: ORDER_PRIORITIES[index % 4 === 0 ? 1 : 0],
  // Few, so that many are equal.
  totalCents: (index % 7) * 100,
  productIds,
});

beforeAll(async () => {
  daybook = await startTestApp();
  await daybook.createProduct('TEA', 0);
  await daybook.createProduct('POT', 0);
  const products = await daybook.database.query<{ id: number }>('SELECT id FROM products ORDER BY id');
  const [tea = 0, pot = 0] = products.map(({ id }) => id);
  const rows = Array.from({ length: ORDERS }, (_, index) =>
    toRow(index, index % 2 === 0 ? [tea] : [pot, tea]),
  );
  await insertOrders(daybook.database, rows);
});
afterAll(() => daybook.stop());

async function exported(query = '', token = daybook.tokens.operator): Promise<Row[]> {
  const answer = await daybook.api('GET', `/orders/export?${query}`, { token });
  if (answer.status !== 200) throw new Error(answer.text);
  return answer.body as Row[];
}

async function listed(query = '', token = daybook.tokens.operator): Promise<OrderResponse[]> {
  const orders: OrderResponse[] = [];
  for (let cursor = ''; ;) {
    const page = await daybook.api('GET', `/orders?limit=200&${query}${cursor}`, { token });
    orders.push(...page.body.data);
    if (page.body.nextCursor === null) return orders;
    cursor = `&cursor=${page.body.nextCursor}`;
  }
}

const withoutCursor = ({ cursor: _, ...order }: Row) => order;

describe('an export', () => {
  it.each([
    '',
    'sort=oldest',
    'sort=highest',
    'sort=lowest',
    'status=failed&status=pending&sort=highest',
    'priority=high&placedFrom=2026-07-01T00:00:00Z',
    'sku=POT&sort=oldest',
    'sku=NONE',
    'clientOrderId=cart-50',
  ])('with %j has every order of the list, as the list has it and in its order', async (query) => {
    expect((await exported(query)).map(withoutCursor)).toEqual(await listed(query));
  });

  it('of a customer has their own orders and no others', async () => {
    const rows = await exported('', daybook.tokens.alice);
    expect(rows).toHaveLength(ORDERS / 3);
    expect(new Set(rows.map(({ customerId }) => customerId))).toEqual(new Set(['alice']));
    expect(await exported('customerId=bob', daybook.tokens.alice)).toEqual([]);
  });

  it('is a file with a name, of the type that was asked for, whatever the client accepts', async () => {
    const headers = { accept: 'text/html' };
    const ndjson = await daybook.api('GET', '/orders/export', { headers });
    expect(ndjson.headers.get('content-type')).toBe('application/x-ndjson');
    expect(ndjson.headers.get('content-disposition')).toMatch(
      /^attachment; filename="orders-\d{8}T\d{6}Z\.ndjson"$/,
    );
    const csv = await daybook.api('GET', '/orders/export?format=csv', { headers });
    expect(csv.headers.get('content-type')).toBe('text/csv; charset=utf-8');
    expect(csv.headers.get('content-disposition')).toMatch(
      /^attachment; filename="orders-\d{8}T\d{6}Z\.csv"$/,
    );
  });

  it('as CSV has the same orders, with their lines in one cell', async () => {
    const { text: csv } = await daybook.api('GET', '/orders/export?format=csv&sort=lowest');
    const expected = (await exported('sort=lowest')).map((order) => ({
      ...{ id: order.id, status: order.status, customerId: order.customerId, priority: order.priority },
      ...{ clientOrderId: order.clientOrderId ?? '', currency: 'USD', totalCents: String(order.totalCents) },
      lines: order.lines.map(({ sku, quantity }) => `${quantity} x ${sku}`).join('; '),
      ...{ reservationId: '', placedAt: order.placedAt, updatedAt: order.updatedAt, version: '1' },
      cursor: order.cursor,
    }));
    expect(parseCsvRows(csv)).toEqual(expected);
  });

  it('of nothing is an empty NDJSON, and a CSV of nothing but its header', async () => {
    expect((await daybook.api('GET', '/orders/export?sku=NONE')).text).toBe('');
    const { text: csv } = await daybook.api('GET', '/orders/export?sku=NONE&format=csv');
    expect(csv).toMatch(/^id,status,.*,cursor\r\n$/);
  });

  it('asked for by HEAD is not made, as often as that is', async () => {
    for (let times = 0; times < 5; times += 1) {
      const answer = await daybook.api('HEAD', '/orders/export');
      expect(answer).toMatchObject({ status: 200, text: '' });
      expect(answer.headers.get('content-type')).toBe('application/x-ndjson');
    }
  });
});

describe('a cursor', () => {
  const some = [0, 499, 500, 777, ORDERS - 2, ORDERS - 1];

  it.each(['newest', 'lowest'])(
    'of any row goes on right behind it, here and in the list (%s)',
    async (sort) => {
      const rows = await exported(`sort=${sort}`);
      for (const index of some) {
        const cursor = rows[index]?.cursor;
        expect(await exported(`sort=${sort}&cursor=${cursor}`)).toEqual(rows.slice(index + 1));
        const page = await daybook.api('GET', `/orders?limit=3&sort=${sort}&cursor=${cursor}`);
        expect(page.body.data).toEqual(rows.slice(index + 1, index + 4).map(withoutCursor));
      }
    },
  );

  it('of the list goes on in an export', async () => {
    const { body: page } = await daybook.api('GET', '/orders?limit=10&status=failed');
    const rest = await exported(`status=failed&cursor=${page.nextCursor}`);
    expect([...page.data, ...rest.map(withoutCursor)]).toEqual(await listed('status=failed'));
  });

  it('makes the rest of a CSV, to be put behind what is there', async () => {
    const { text: whole } = await daybook.api('GET', '/orders/export?format=csv');
    const half = whole.split('\r\n').slice(0, 701).join('\r\n') + '\r\n';
    const cursor = parseCsvRows(half).at(-1)?.['cursor'];
    const { text: rest } = await daybook.api('GET', `/orders/export?format=csv&cursor=${cursor}`);
    expect(half + rest).toBe(whole);
  });

  it('of other filters, another sort or another caller is refused', async () => {
    const [row] = await exported('status=failed');
    for (const query of ['status=pending', 'status=failed&sort=oldest', '']) {
      expectInvalid(await daybook.api('GET', `/orders/export?${query}&cursor=${row?.cursor}`), 'cursor');
    }
    const token = daybook.tokens.alice;
    expectInvalid(
      await daybook.api('GET', `/orders/export?status=failed&cursor=${row?.cursor}`, { token }),
      'cursor',
    );
  });
});

describe('an export that cannot be', () => {
  it('is refused before it begins', async () => {
    expectInvalid(await daybook.api('GET', '/orders/export?format=xml'), 'format');
    expectInvalid(await daybook.api('GET', '/orders/export?limit=5'), 'limit');
    expectInvalid(
      await daybook.api('GET', '/orders/export?minTotalCents=2&maxTotalCents=1'),
      'maxTotalCents',
    );
  });

  describe('because it would take too long', () => {
    let slow: TestApp;

    beforeAll(async () => {
      slow = await startTestApp({ LIST_TIME_BUDGET_MS: '150', LOG_LEVEL: 'silent' });
      await slow.createProduct('TEA', 0);
      const [product] = await slow.database.query<{ id: number }>('SELECT id FROM products');
      const rows = Array.from({ length: 3_000 }, (_, index) => ({
        ...toRow(0, [product?.id ?? 0]),
        n: index + 1,
        clientOrderId: null,
        customerId: index < 2_400 ? 'slow' : 'quick',
      }));
      await insertOrders(slow.database, rows);
      // Stands in for ten million orders to look through, behind the newest 600.
      await slow.database.query(`
        ALTER TABLE orders RENAME TO all_orders;
        CREATE VIEW orders AS SELECT all_orders.* FROM all_orders WHERE customer_id = 'quick' OR pg_sleep(60) IS NULL;
        ANALYZE all_orders`);
    });
    afterAll(() => slow.stop());

    it('is refused as the list is when that shows at once', async () => {
      const answer = await slow.api('GET', '/orders/export?customerId=slow');
      const problem = expectProblem(answer, 422, 'query_too_broad');
      expect(problem).toMatchObject({ narrowBy: ['status', 'placedFrom', 'placedTo'] });
    });

    it.each(['1.1', '1.0'])(
      'breaks off when it shows later, so that a client of HTTP/%s notices',
      async (version) => {
        const socket = connect(Number(new URL(slow.origin).port), '127.0.0.1');
        socket.write(
          `GET /api/v1/orders/export HTTP/${version}\r\nhost: localhost\r\nauthorization: Bearer ${slow.tokens.operator}\r\n\r\n`,
        );
        const chunks: Buffer[] = [];
        socket.on('data', (chunk: Buffer) => chunks.push(chunk));
        const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
        expect(error.code).toBe('ECONNRESET');
        const answer = Buffer.concat(chunks).toString();
        expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
        expect(answer).not.toMatch(/\r\n0\r\n\r\n$/);
        // A page of 500, and in the end a smaller one; the next would have needed to know whether there is more.
        expect(answer.match(/^\{"id":"/gm)).toHaveLength(550);
      },
    );
  });
});

describe('what customers type', () => {
  it('comes back from a CSV as it was, and is no formula', async () => {
    const clientOrderId = `=HYPERLINK("https://evil.example";"a, b") ü 🍵`;
    await daybook.createProduct('CUP', 10);
    const body = { lines: [{ sku: 'CUP', quantity: 2 }], clientOrderId, customerId: '@carol' };
    await daybook.api('POST', '/orders', { body });
    const url = `${daybook.origin}/api/v1/orders/export?format=csv&sku=CUP`;
    const headers = { authorization: `Bearer ${daybook.tokens.operator}` };
    const { body: csv } = await fetch(url, { headers });
    if (csv === null) throw new Error('An export has a body');
    expect(parseCsvRows(await text(csv))).toMatchObject([
      { customerId: "'@carol", clientOrderId: `'${clientOrderId}`, lines: '2 x CUP' },
    ]);
    const [row] = readNdjson<Row>((await daybook.api('GET', '/orders/export?sku=CUP')).text);
    expect(row).toMatchObject({ customerId: '@carol', clientOrderId });
  });
});
