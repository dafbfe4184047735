import { startTestApp, type TestApp, withTestApp } from '../support/app.js';
import { expectInvalid, expectProblem } from '../support/problem.js';

let daybook: TestApp;

beforeAll(async () => {
  daybook = await startTestApp();
});
afterAll(() => daybook.stop());

const place = (body: object) => daybook.api('POST', '/orders', { body });
const linesOf = (...quantities: [sku: string, quantity: number][]) =>
  quantities.map(([sku, quantity]) => ({ sku, quantity }));
const levels = () => daybook.database.query('SELECT * FROM stock_levels ORDER BY product_id, warehouse_id');

/** Runs what should be refused, and checks that neither an order nor a claim nor a journal row is left of it. */
async function leavingNoTrace<T>(refused: () => Promise<T>): Promise<T> {
  const look = async () => [
    await levels(),
    await daybook.database.query('SELECT count(*) FROM orders'),
    await daybook.database.query('SELECT count(*) FROM journal'),
  ];
  const before = await look();
  const result = await refused();
  expect(await look()).toEqual(before);
  return result;
}

describe('an order', () => {
  it('is refused as a whole when one line is short, and lists every line that is', async () => {
    for (const [sku, stock] of [
      ['PLENTY', 100],
      ['SHORT', 2],
      ['NONE', 0],
    ] as const) {
      await daybook.createProduct(sku, stock);
    }
    await leavingNoTrace(async () => {
      const answer = await place({ lines: linesOf(['SHORT', 3], ['PLENTY', 1], ['NONE', 1]) });
      const refused = expectProblem(answer, 409, 'insufficient_stock');
      expect(refused['lines']).toEqual([
        { sku: 'SHORT', requested: 3, available: 2 },
        { sku: 'NONE', requested: 1, available: 0 },
      ]);
    });
  });

  it('counts lines of one product together', async () => {
    await daybook.createProduct('SUMMED', 5);
    await leavingNoTrace(async () => {
      const refused = expectProblem(
        await place({ lines: linesOf(['SUMMED', 3], ['SUMMED', 3]) }),
        409,
        'insufficient_stock',
      );
      expect(refused['lines']).toEqual([{ sku: 'SUMMED', requested: 6, available: 5 }]);
    });
    expect((await place({ lines: linesOf(['SUMMED', 3], ['SUMMED', 2]) })).status).toBe(201);
  });

  it('of products in two currencies is refused, naming the line that differs from the first', async () => {
    await daybook.createProduct('DOLLAR', 9);
    const euro = { sku: 'EURO', name: 'Euro', priceCents: 100, currency: 'EUR' };
    await daybook.api('POST', '/products', { body: euro });
    const received = { sku: 'EURO', quantityDelta: 9, reason: 'received' };
    await daybook.api('POST', '/stock-adjustments', { body: received });
    await leavingNoTrace(async () => {
      const refused = await place({ lines: linesOf(['DOLLAR', 1], ['DOLLAR', 1], ['EURO', 1]) });
      expect(expectInvalid(refused, 'lines[2].sku').detail).toContain('EUR');
    });
    expect((await place({ lines: linesOf(['EURO', 2]) })).body).toMatchObject({
      currency: 'EUR',
      totalCents: 200,
    });
  });

  it('has a total of at most 2^53 - 1 cents, up to which a JSON number is exact', async () => {
    const rest = Number.MAX_SAFE_INTEGER - 900_719 * 9_999_999_999;
    await daybook.createProduct('DEAREST', 2_000_000, 9_999_999_999);
    await daybook.createProduct('REST', 2, rest);
    await daybook.createProduct('CENT', 1, 1);
    const most = linesOf(['DEAREST', 900_719], ['REST', 1]);
    await leavingNoTrace(async () => {
      expectInvalid(await place({ lines: [...most, ...linesOf(['CENT', 1])] }), 'lines');
      expectInvalid(await place({ lines: linesOf(['DEAREST', 1_000_000]) }), 'lines');
      expectInvalid(await place({ lines: linesOf(['DEAREST', 900_720], ['DEAREST', 900_720]) }), 'lines');
    });
    const placed = await place({ lines: most });
    expect(placed.body.totalCents).toBe(Number.MAX_SAFE_INTEGER);
    expect((await daybook.api('GET', `/orders/${placed.body.id}`)).text).toBe(placed.text);
  });

  it('of unknown products names each of the lines', async () => {
    await daybook.createProduct('KNOWN', 5);
    await leavingNoTrace(async () => {
      const refused = await place({
        lines: linesOf(['GHOST', 1], ['KNOWN', 1], ['PHANTOM', 1], ['known', 1]),
      });
      expectInvalid(refused, 'lines[0].sku', 'lines[2].sku', 'lines[3].sku');
    });
  });

  it('with both lines and a reservation, or with neither, is refused', async () => {
    await daybook.createProduct('EITHER', 5);
    const reservationId = '7d444840-9dc0-11d1-b245-5ffdce74fad2';
    await leavingNoTrace(async () => {
      expectInvalid(await place({ reservationId, lines: linesOf(['EITHER', 1]) }), 'reservationId');
      expectInvalid(await place({ priority: 'high' }), 'lines');
      expectProblem(await place({ reservationId }), 404, 'not_found');
    });
  });

  it('of 100 lines is placed; of 101 it is not', async () => {
    await daybook.createProduct('MANY', 500);
    const hundred = Array.from({ length: 100 }, (): [string, number] => ['MANY', 1]);
    expect((await place({ lines: linesOf(...hundred) })).body.lines).toHaveLength(100);
    await leavingNoTrace(async () => {
      expectInvalid(await place({ lines: linesOf(...hundred, ['MANY', 1]) }), 'lines');
    });
  });

  it('is one of as many as the stock suffices for when more come at once', async () => {
    await daybook.createProduct('RUSH', 30);
    const answers = await Promise.all(
      Array.from({ length: 25 }, () => place({ lines: linesOf(['RUSH', 2]) })),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(15);
    expect(answers.filter(({ body }) => body.code === 'insufficient_stock')).toHaveLength(10);
    expect((await daybook.api('GET', '/products/RUSH/stock')).body).toMatchObject({
      allocated: 30,
      available: 0,
    });
  });
});

describe('the time that processing an order takes', () => {
  it('can be given only while the simulated processor processes orders', async () => {
    await daybook.createProduct('SLOW', 10);
    const order = { lines: linesOf(['SLOW', 1]) };
    expect((await place({ ...order, processingTimeMs: 1 })).status).toBe(201);
    const http = {
      DATABASE_URL: daybook.database.url,
      ORDER_PROCESSOR: 'http',
      ORDER_PROCESSOR_URL: 'http://127.0.0.1:9',
      ORDER_PROCESSOR_SECRET: 'x'.repeat(32),
      DAYBOOK_ROLES: 'api',
    };
    await withTestApp(http, async ({ api }) => {
      await leavingNoTrace(async () => {
        const single = await api('POST', '/orders', { body: { ...order, processingTimeMs: 1 } });
        expectInvalid(single, 'processingTimeMs');
      });
      const orders = [order, { ...order, processingTimeMs: 0 }];
      const { results } = (await api('POST', '/orders/bulk', { body: { orders } })).body;
      expect(results).toMatchObject([
        { status: 201 },
        { status: 400, error: { code: 'validation_failed', errors: [{ path: 'processingTimeMs' }] } },
      ]);
    });
  });
});
