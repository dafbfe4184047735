import { request, startTestApp, type TestApp } from '../../../../test/support/app.js';
import { runNamedJob } from '../../../../test/support/run-named-job.js';

let daybook: TestApp;
const warnings: unknown[] = [];

beforeAll(async () => {
  daybook = await startTestApp({ DAYBOOK_ROLES: 'api' });
  const ignore = () => undefined;
  daybook.app.useLogger({ log: ignore, error: ignore, warn: (message: unknown) => warnings.push(message) });
});
beforeEach(() => warnings.splice(0));
afterAll(() => daybook.stop());

const reconcile = () => runNamedJob(daybook, 'reconcile-stock');

/** The gauge as Prometheus sees it; undefined when it is not there. */
async function drift(): Promise<string | undefined> {
  const { text } = await request(daybook.origin, 'GET', '/metrics');
  return /^daybook_stock_drift (\S+)$/m.exec(text)?.[1];
}

describe('the job reconcile-stock', () => {
  it('finds nothing in books that are in order', async () => {
    expect(await drift()).toBeUndefined();
    await daybook.createProduct('TEA', 10);
    await daybook.api('POST', '/reservations', { body: { lines: [{ sku: 'TEA', quantity: 2 }] } });
    expect(await reconcile()).toEqual({ result: 'succeeded', rows: 0, error: null });
    expect(warnings).toEqual([]);
    expect(await drift()).toBe('0');
  });

  it('counts the discrepancies, warns of each kind, and corrects nothing', async () => {
    await daybook.database.query(
      `UPDATE stock_levels SET reserved = 3, on_hand = 11;
       INSERT INTO stock_holds SELECT gen_random_uuid(), product_id, warehouse_id, 1, business_now() FROM stock_levels`,
    );
    const state = () =>
      daybook.database.query(
        'SELECT *, (SELECT count(*) FROM journal) AS rows FROM stock_levels, stock_holds',
      );
    const before = await state();
    expect(await reconcile()).toEqual({ result: 'succeeded', rows: 2, error: null });
    expect(warnings).toMatchObject([
      { check: 'stock/on-hand', examples: ['TEA in main: 11 on hand, the movements come to 10'] },
      { check: 'reservations/holds-belong', discrepancies: 1 },
    ]);
    expect(await state()).toEqual(before);
    expect(await drift()).toBe('2');
  });
});
