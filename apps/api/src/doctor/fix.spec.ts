import { CorrectOrderCounts } from '@daybook/metrics';
import { JobScheduler } from '@daybook/platform';
import { CommandBus } from '@nestjs/cqrs';

import { ask } from '../../../../test/support/doctor-books.js';
import { expectHealthy, findingsIn } from '../../../../test/support/doctor.js';
import { startTestApp, type TestApp } from '../../../../test/support/app.js';
import { waitFor } from '../../../../test/support/wait-for.js';
import { findOrderCountDrift } from './order-counts.js';
import { fixCounts, fixStock, NOTHING_FIXED } from './fix.js';

let daybook: TestApp;

beforeAll(async () => {
  // Nothing tidies up: what is overdue stays so.
  daybook = await startTestApp({ DAYBOOK_ROLES: 'api' });
});
afterAll(() => daybook.stop());
afterEach(() => expectHealthy(daybook.database.url));

const fixed = () => fixStock(daybook.app);
const brokenChecks = async () => (await findingsIn(daybook.database.url)).map(({ check }) => check);
const level = (sku: string) => `product_id = (SELECT id FROM products WHERE sku = '${sku}')`;
const damage = (sku: string, change: string) =>
  daybook.database.query(`UPDATE stock_levels SET ${change} WHERE ${level(sku)}`);
const eventsOf = (entity: string) =>
  daybook.database.query(
    `SELECT actor, split_part(request_id, '/', 1) AS request, type, version, data FROM journal
     WHERE entity_id LIKE $1 AND type IN ('stock.corrected', 'stock_hold.removed') ORDER BY position`,
    [entity],
  );

const fold = async () => (await daybook.app.get(JobScheduler).runNow('fold-order-tallies', 'doctor'))?.ended;

/** A product with 10 pieces: 3 are ordered, 2 are reserved. @returns the reservation's id */
async function sell(sku: string, ttlSeconds = 600): Promise<string> {
  await daybook.createProduct(sku, 10);
  await ask(daybook, 'POST', '/orders', { lines: [{ sku, quantity: 3 }] });
  return (await ask(daybook, 'POST', '/reservations', { lines: [{ sku, quantity: 2 }], ttlSeconds })).id;
}

describe('the doctor corrects', () => {
  it('what is reserved and allocated, and says so in the journal', async () => {
    await sell('TEA');
    await damage('TEA', 'reserved = 0, allocated = 5');
    expect(await brokenChecks()).toEqual(['stock/allocated', 'stock/reserved']);
    expect(await fixed()).toEqual({
      corrected: ['TEA in main: reserved 0 -> 2, allocated 5 -> 3'],
      left: [],
    });
    expect(await ask(daybook, 'GET', '/products/TEA/stock')).toMatchObject({ reserved: 2, allocated: 3 });
    expect(await eventsOf('TEA@main')).toEqual([
      {
        actor: 'daybook',
        request: 'doctor',
        type: 'stock.corrected',
        version: null,
        data: {
          before: { reserved: 0, allocated: 5 },
          after: { reserved: 2, allocated: 3 },
          reason: 'It was not what its claims or its movements came to',
        },
      },
    ]);
  });

  it('the ledger, so that it explains what is on hand', async () => {
    await sell('CUP');
    await damage('CUP', 'on_hand = 12');
    expect(await fixed()).toEqual({ corrected: ['CUP in main: movements 10 -> 12'], left: [] });
    const movements = await daybook.database.query(
      `SELECT kind, quantity_delta, reason FROM stock_movements WHERE ${level('CUP')} ORDER BY id DESC LIMIT 1`,
    );
    expect(movements).toEqual([
      { kind: 'adjusted', quantity_delta: '2', reason: 'Correction: 12 on hand, the movements came to 10' },
    ]);
    expect(await eventsOf('CUP@main')).toMatchObject([
      { data: { before: { moved: 10 }, after: { moved: 12 } } },
    ]);
  });

  it('holds that nobody has any more', async () => {
    const id = await sell('POT');
    await daybook.database.query(
      `INSERT INTO stock_holds SELECT gen_random_uuid(), product_id, warehouse_id, 4, expires_at
       FROM stock_holds WHERE reservation_id = '${id}'`,
    );
    await damage('POT', 'reserved = reserved + 4');
    expect(await brokenChecks()).toEqual(['reservations/holds-belong']);
    expect(await fixed()).toEqual({
      corrected: [
        expect.stringMatching(
          /^POT in main: reserved 6 -> 2, ended the hold of reservation [0-9a-f-]{36} on 4$/,
        ),
      ],
      left: [],
    });
    expect(await eventsOf('%POT@main')).toMatchObject([
      { type: 'stock_hold.removed', data: { before: { quantity: 4 }, after: { quantity: 0 } } },
      { type: 'stock.corrected', data: { before: { reserved: 6 }, after: { reserved: 2 } } },
    ]);
  });

  it('a level that is too full for an overdue hold, which ends', async () => {
    const id = await sell('JUG', 1);
    await daybook.database.shiftTime('1 hour');
    await damage('JUG', 'on_hand = 4, reserved = 0');
    expect(await fixed()).toEqual({
      corrected: [`JUG in main: movements 10 -> 4, ended the hold of reservation ${id} on 2`],
      left: [],
    });
    expect(await eventsOf('%JUG@main')).toMatchObject([{ type: 'stock.corrected' }]);
  });

  it('nothing a second time', async () => {
    expect(await fixed()).toEqual({ corrected: [], left: [] });
  });

  it('a difference once, however many doctors there are', async () => {
    await sell('PAN');
    await damage('PAN', 'reserved = 5');
    const all = await Promise.all(Array.from({ length: 4 }, fixed));
    expect(all.flatMap(({ corrected }) => corrected)).toEqual(['PAN in main: reserved 5 -> 2']);
  });

  it('how many orders the figures count, while orders are placed and folded, once', async () => {
    await daybook.createProduct('CAN', 1_000);
    const place = () => ask(daybook, 'POST', '/orders', { lines: [{ sku: 'CAN', quantity: 1 }] });
    await place();
    await daybook.database.query('UPDATE order_tallies SET count = count + 7 WHERE from_status IS NULL');
    const [{ tallies }] = (await daybook.database.query(
      'SELECT count(*)::int AS tallies FROM order_tallies WHERE from_status IS NULL',
    )) as [{ tallies: number }];
    await fold();
    expect(await brokenChecks()).toEqual(['orders/counted']);
    const seen = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    const first = daybook.app.get(CommandBus).execute(
      new CorrectOrderCounts(async (manager) => {
        const found = await findOrderCountDrift(manager);
        seen.resolve();
        await gate.promise;
        return found;
      }),
    );
    await seen.promise;
    const second = fixCounts(daybook.app);
    await waitFor('the second to wait for the first', async () => {
      const waiting = await daybook.database.query(
        `SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`,
      );
      return waiting.length > 0;
    });
    await Promise.all(Array.from({ length: 50 }, place));
    await fold();
    expect(await daybook.database.query('SELECT FROM order_tallies')).toEqual([]);
    gate.resolve();
    expect(await first).toMatchObject([{ priority: 'normal', status: 'pending', delta: tallies * -7 }]);
    expect(await second).toEqual(NOTHING_FIXED);
  });

  it('how many orders the figures count, and says so', async () => {
    await daybook.database.query(
      `INSERT INTO order_tallies (day, month, priority, to_status, count, times_ms, total_ms)
       SELECT current_date, month, priority, 'failed', 7, '{}', 0 FROM order_counts LIMIT 1`,
    );
    expect(await fixCounts(daybook.app)).toEqual({
      corrected: [expect.stringMatching(/^figures: orders of \d{6}, normal, failed: -7$/)],
      left: [],
    });
    expect(await fixCounts(daybook.app)).toEqual(NOTHING_FIXED);
  });

  it('more levels than it takes at once', async () => {
    await daybook.database.query(
      `WITH made AS (
         INSERT INTO products (sku, name, price_cents, currency, created_at, updated_at)
         SELECT 'BULK-' || n, 'Bulk', 1, 'USD', now(), now() FROM generate_series(1, 450) n RETURNING id)
       INSERT INTO stock_levels (product_id, warehouse_id, on_hand)
       SELECT made.id, warehouse.id, made.id FROM made, warehouses warehouse WHERE code = 'main'`,
    );
    const { corrected, left } = await fixed();
    expect(corrected).toHaveLength(450);
    expect(left).toEqual([]);
  });
});

describe('the doctor leaves to a person', () => {
  it('a level that has no stock for its claims, until it was counted', async () => {
    await sell('KETTLE');
    await damage('KETTLE', 'on_hand = 2, allocated = 0');
    const left = ['KETTLE in main: 2 on hand, reservations hold 2 and open orders claim 3'];
    expect(await fixed()).toEqual({ corrected: [], left });
    await ask(daybook, 'POST', '/stock-adjustments', { sku: 'KETTLE', quantityDelta: 3, reason: 'counted' });
    const corrected = ['KETTLE in main: allocated 0 -> 3, movements 13 -> 5'];
    expect(await fixed()).toEqual({ corrected, left: [] });
  });

  it('claims on a level that does not exist, until it was counted', async () => {
    await ask(daybook, 'POST', '/warehouses', { code: 'north', name: 'North', priority: 200 });
    const id = await sell('MUG');
    await daybook.database.query(
      `UPDATE stock_holds SET warehouse_id = (SELECT id FROM warehouses WHERE code = 'north')
       WHERE reservation_id = '${id}'`,
    );
    await daybook.database.query(
      `UPDATE reservations SET lines = jsonb_set(lines, '{0,allocations,0,warehouseId}',
         (SELECT to_jsonb(id) FROM warehouses WHERE code = 'north')) WHERE id = '${id}'`,
    );
    expect(await fixed()).toEqual({
      corrected: ['MUG in main: reserved 2 -> 0'],
      left: ['MUG in north: there is no such stock level'],
    });
    const counted = { sku: 'MUG', warehouse: 'north', quantityDelta: 2, reason: 'counted' };
    await ask(daybook, 'POST', '/stock-adjustments', counted);
    expect(await fixed()).toEqual({ corrected: ['MUG in north: reserved 0 -> 2'], left: [] });
  });
});
