import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

import { projectRoot } from '@daybook/platform';
import { DataSource } from 'typeorm';

import { startTestApp, type TestApp } from '../../../../test/support/app.js';
import { CHECKS } from './checks.js';
import { brokenOnes, examine, EXAMPLES_AT_MOST, runChecks } from './examine.js';

let daybook: TestApp;
let database: DataSource;
/** The business day all orders of this file are placed on, `YYYYMMDD`. */
let day: string;

beforeAll(async () => {
  daybook = await startTestApp();
  database = daybook.app.get(DataSource);
  // Noon, so that no midnight passes while the test runs.
  const noon = new Date().setUTCHours(12, 0, 0, 0);
  await daybook.database.shiftTime(`${noon - Date.now()} milliseconds`);
  day = new Date(noon).toISOString().slice(0, 10).replaceAll('-', '');
  await fillBooks();
});
afterAll(() => daybook.stop());

/** Six orders that have been through everything an order can go through. */
async function fillBooks(): Promise<void> {
  await daybook.createProduct('TEA', 10, 1250);
  await daybook.createProduct('CUP', 10, 1450);
  await daybook.api('POST', '/warehouses', { body: { code: 'north', name: 'North', priority: 200 } });
  await daybook.api('POST', '/stock-adjustments', {
    body: { sku: 'TEA', warehouse: 'north', quantityDelta: 20, reason: 'received' },
  });
  await daybook.api('POST', '/stock-adjustments', {
    body: { sku: 'CUP', quantityDelta: -1, reason: 'broken' },
  });
  const alice = daybook.tokens.alice;
  const both = [
    { sku: 'TEA', quantity: 2 },
    { sku: 'CUP', quantity: 1 },
  ];
  await place(
    { lines: both, clientOrderId: 'cart-1' },
    { token: alice, headers: { 'idempotency-key': 'key-1' } },
  );
  await place({ lines: [{ sku: 'TEA', quantity: 25 }] });
  await move('00002', 'processing', 'confirmed', 'shipped', 'delivered');
  await place({ lines: both });
  await move('00003', 'cancelled');
  await place({ lines: [{ sku: 'CUP', quantity: 2 }] }, { headers: { 'idempotency-key': 'key-4' } });
  await move('00004', 'processing', 'failed', 'pending');
  const orders = [
    { lines: both, idempotencyKey: 'row' },
    { lines: [{ sku: 'NONE', quantity: 1 }] },
    { lines: [{ sku: 'CUP', quantity: 1 }] },
  ];
  const bulk = await daybook.api('POST', '/orders/bulk', {
    body: { orders },
    headers: { 'idempotency-key': 'bulk' },
  });
  expect(bulk.body.results.map(({ status }: { status: number }) => status)).toEqual([201, 400, 201]);
}

async function place(body: object, options: object = {}): Promise<void> {
  expect((await daybook.api('POST', '/orders', { body, ...options })).status).toBe(201);
}

async function move(n: string, ...statuses: string[]): Promise<void> {
  for (const status of statuses) {
    expect((await daybook.api('PATCH', `/orders/${day}-${n}`, { body: { status } })).status).toBe(200);
  }
}

/** Does the damage, runs the checks and takes the damage back. */
async function damaged(sql: string) {
  const runner = database.createQueryRunner();
  await runner.startTransaction();
  try {
    await runner.query(sql);
    return brokenOnes(await runChecks(runner.manager));
  } finally {
    await runner.rollbackTransaction();
    await runner.release();
  }
}

const order = (n: number) => `${day}${String(n).padStart(10, '0')}`;
const number = (n: number) => `${day}-${String(n).padStart(5, '0')}`;
const withoutTrigger = (sql: string) => `ALTER TABLE journal DISABLE TRIGGER journal_is_append_only; ${sql}`;
const withoutConstraint = (table: string, constraint: string, sql: string) =>
  `ALTER TABLE ${table} DROP CONSTRAINT ${constraint}; ${sql}`;
const entry = (id: string, version: string | number, from: string, to: string) =>
  `INSERT INTO journal (occurred_at, actor, request_id, type, entity_type, entity_id, version, data) VALUES
   (now(), 'nobody', 'none', 'order.status_changed', 'order', '${id}', ${version},
   '{"before":{"status":"${from}"},"after":{"status":"${to}"}}')`;

interface Damage {
  readonly check: string;
  readonly what: string;
  readonly sql: () => string;
  /** What the check must say. */
  readonly says: () => string[];
}

const DAMAGES: readonly Damage[] = [
  {
    check: 'numbers/business-day',
    what: 'an order placed on the day before its number',
    sql: () =>
      `UPDATE orders SET placed_at = date_trunc('day', placed_at) - interval '1 ms' WHERE id = ${order(2)}`,
    says: () => [
      expect.stringMatching(
        `^order ${number(2)} was placed at \\d{4}-\\d\\d-\\d\\dT23:59:59.999Z, on the business day \\d{8} of UTC$`,
      ),
    ],
  },
  {
    check: 'numbers/from-one',
    what: 'an order number zero',
    sql: () => `UPDATE orders SET id = ${order(0)} WHERE id = ${order(2)}`,
    says: () => [`order ${number(0)} has the number 0 within its day`],
  },
  {
    check: 'numbers/unique',
    what: 'two orders with one number',
    sql: () =>
      withoutConstraint(
        'orders',
        'orders_pkey',
        `INSERT INTO orders SELECT * FROM orders WHERE id = ${order(2)}`,
      ),
    says: () => [`2 orders have the number ${number(2)}`],
  },
  {
    check: 'orders/have-lines',
    what: 'an order without lines',
    sql: () => `DELETE FROM order_lines WHERE order_id = ${order(2)}`,
    says: () => [`order ${number(2)} has no lines`],
  },
  {
    check: 'orders/lines-belong',
    what: 'lines without their order',
    sql: () => `DELETE FROM orders WHERE id = ${order(1)}`,
    says: () => [
      `line 1 of order ${number(1)}: there is no such order`,
      `line 2 of order ${number(1)}: there is no such order`,
    ],
  },
  {
    check: 'orders/lines-belong',
    what: 'a line for a product that does not exist',
    sql: () => `UPDATE order_lines SET product_id = 999 WHERE order_id = ${order(2)}`,
    says: () => [`line 1 of order ${number(2)}: there is no product 999`],
  },
  {
    check: 'orders/allocations-belong',
    what: 'an allocation for no line',
    sql: () => `UPDATE order_allocations SET line_no = 7 WHERE order_id = ${order(4)}`,
    says: () => [`allocation for line 7 of order ${number(4)}: there is no such line`],
  },
  {
    check: 'orders/allocations-belong',
    what: 'an allocation from a warehouse that does not exist',
    sql: () => `UPDATE order_allocations SET warehouse_id = 999 WHERE order_id = ${order(4)}`,
    says: () => [`allocation for line 1 of order ${number(4)}: there is no warehouse 999`],
  },
  {
    check: 'orders/allocations-add-up',
    what: 'a line that is allocated only in part, and one not at all',
    sql: () => `UPDATE order_allocations SET quantity = quantity - 1 WHERE order_id = ${order(4)};
                DELETE FROM order_allocations WHERE order_id = ${order(1)} AND line_no = 2`,
    says: () => [
      `line 1 of order ${number(4)}: 2 ordered, 1 allocated`,
      `line 2 of order ${number(1)}: 1 ordered, 0 allocated`,
    ],
  },
  {
    check: 'orders/total',
    what: 'a price that changed after the order',
    sql: () => `UPDATE order_lines SET unit_price_cents = 1000 WHERE order_id = ${order(1)} AND line_no = 1`,
    says: () => [`order ${number(1)} has a total of 3950 cents, its lines come to 3450`],
  },
  {
    check: 'orders/client-order-ids',
    what: "a customer's name for an order that was lost",
    sql: () => 'DELETE FROM client_order_ids',
    says: () => [`order ${number(1)} is called cart-1 by alice, which is not in client_order_ids`],
  },
  {
    check: 'orders/client-order-ids',
    what: "a customer's name that leads to another's order",
    sql: () => `INSERT INTO client_order_ids VALUES ('bob', 'cart-1', ${order(1)})`,
    says: () => [`cart-1 of bob leads to order ${number(1)}, which is not called so`],
  },
  {
    check: 'stock/never-oversold',
    what: 'more allocated than there is, and a negative reservation',
    sql: () => `
      ALTER TABLE stock_levels DROP CONSTRAINT stock_never_oversold, DROP CONSTRAINT stock_levels_reserved_check;
      UPDATE stock_levels SET allocated = 11 WHERE product_id = (SELECT id FROM products WHERE sku = 'CUP');
      UPDATE stock_levels SET reserved = -1 WHERE product_id = (SELECT id FROM products WHERE sku = 'TEA')
        AND on_hand = 2`,
    says: () => [
      'CUP in main: 9 on hand, 0 reserved, 11 allocated',
      'TEA in main: 2 on hand, -1 reserved, 2 allocated',
    ],
  },
  {
    check: 'stock/allocated',
    what: 'a cancelled order whose stock was not given back',
    sql: () => `UPDATE orders SET status = 'cancelled' WHERE id = ${order(4)}`,
    says: () => ['CUP in main: 5 allocated, open orders claim 3'],
  },
  {
    check: 'stock/allocated',
    what: 'a claim on a level that does not exist',
    sql: () => `UPDATE order_allocations SET warehouse_id = (SELECT id FROM warehouses WHERE code = 'north')
                WHERE order_id = ${order(4)}`,
    says: () => [
      'CUP in main: 5 allocated, open orders claim 3',
      'CUP in north: 0 allocated, open orders claim 2',
    ],
  },
  {
    check: 'stock/reserved',
    what: 'stock reserved for nobody',
    sql: () =>
      `UPDATE stock_levels SET reserved = 1 WHERE product_id = (SELECT id FROM products WHERE sku = 'CUP')`,
    says: () => ['CUP in main: 1 reserved, open reservations hold 0'],
  },
  {
    check: 'stock/on-hand',
    what: 'stock that came from nowhere, and stock that went nowhere',
    sql: () => `UPDATE stock_levels SET on_hand = on_hand + 1 WHERE product_id = (SELECT id FROM products WHERE sku = 'CUP');
                UPDATE stock_movements SET warehouse_id = (SELECT id FROM warehouses WHERE code = 'main')
                WHERE kind = 'received' AND quantity_delta = 20`,
    says: () => [
      'CUP in main: 10 on hand, the movements come to 9',
      'TEA in main: 2 on hand, the movements come to 22',
      'TEA in north: 3 on hand, the movements come to -17',
    ],
  },
  {
    check: 'journal/versions',
    what: 'a change without its row',
    sql: () => withoutTrigger(`DELETE FROM journal WHERE entity_id = '${number(2)}' AND version = 3`),
    says: () => [`order ${number(2)} is at version 5 and has 4 rows for 4 versions from 1 to 5`],
  },
  {
    check: 'journal/versions',
    what: 'a change with two rows, and an order without any',
    sql: () =>
      withoutTrigger(`DROP INDEX journal_by_entity; DELETE FROM journal WHERE entity_id = '${number(1)}';
                      ${entry(number(3), 2, 'pending', 'cancelled')}`),
    says: () => [
      `order ${number(1)} is at version 1 and has 0 rows for 0 versions from 0 to 0`,
      `order ${number(3)} is at version 2 and has 3 rows for 2 versions from 1 to 2`,
    ],
  },
  {
    check: 'journal/last-status',
    what: 'a status that the journal does not know of',
    sql: () => `UPDATE orders SET status = 'shipped' WHERE id = ${order(2)}`,
    says: () => [`order ${number(2)} is shipped, its journal ends with delivered`],
  },
  {
    check: 'journal/edges',
    what: 'a move that is no edge of the state machine',
    sql: () =>
      withoutTrigger(`UPDATE journal SET data = jsonb_set(data, '{after,status}', '"shipped"')
                      WHERE entity_id = '${number(3)}' AND version = 2`),
    says: () => [`version 2 of order ${number(3)} goes from pending to shipped`],
  },
  {
    check: 'journal/edges',
    what: 'a move that does not continue the one before',
    sql: () =>
      withoutTrigger(`UPDATE journal SET data = jsonb_set(data, '{before,status}', '"confirmed"')
                      WHERE entity_id = '${number(3)}' AND version = 2`),
    says: () => [`version 2 of order ${number(3)} starts from confirmed, the one before ended as pending`],
  },
  {
    check: 'journal/edges',
    what: 'an order that began in the middle',
    sql: () =>
      withoutTrigger(`UPDATE journal SET data = jsonb_set(data, '{after,status}', '"confirmed"')
                      WHERE entity_id = '${number(1)}'`),
    says: () => [`order ${number(1)} begins with order.placed as confirmed`],
  },
  {
    check: 'journal/orders-exist',
    what: 'rows of a placement that was rolled back, and a row before its time',
    sql: () => `${entry(number(77), 1, '', 'pending')}; ${entry(number(1), 2, 'pending', 'cancelled')}`,
    says: () => [
      expect.stringMatching(`^row \\d+ \\(order.status_changed\\): there is no order ${number(77)}$`),
      expect.stringMatching(
        `^row \\d+ \\(order.status_changed\\) is for version 2 of order ${number(1)}, which is at 1$`,
      ),
    ],
  },
  {
    check: 'idempotency/answers',
    what: 'answers of orders that do not exist: alone, in a bulk, and unreadable',
    sql: () => `DELETE FROM orders WHERE id IN (${order(4)}, ${order(6)});
                UPDATE idempotency_keys SET body = 'torn' WHERE key = 'key-1'`,
    says: () => [
      `key bulk of operator-1 was answered with order ${number(6)}: there is no such order`,
      `key bulk/2 of operator-1 was answered with order ${number(6)}: there is no such order`,
      'key key-1 of alice was answered with order (none): there is no such order',
      `key key-4 of operator-1 was answered with order ${number(4)}: there is no such order`,
    ],
  },
  {
    check: 'idempotency/one-order-per-key',
    what: 'an order that is the answer to two keys',
    sql: () => `INSERT INTO idempotency_keys SELECT 'bob', key, fingerprint, status, location, etag, body
                FROM idempotency_keys WHERE key = 'key-1'`,
    says: () => [`order ${number(1)} was answered to 2 keys: key-1 of alice, key-1 of bob`],
  },
];

describe('the doctor', () => {
  it('finds nothing wrong with books that are in order', async () => {
    const findings = await examine(database);
    expect(findings.map(({ check }) => check)).toEqual(CHECKS.map(({ name }) => name));
    expect(brokenOnes(findings)).toEqual([]);
  });

  it.each(DAMAGES)('$check finds $what', async ({ check, sql, says }) => {
    const found = (await damaged(sql())).find((finding) => finding.check === check);
    expect(found?.examples).toEqual(says());
    expect(found?.discrepancies).toBe(says().length);
  });

  it('has seen each of its checks bite', () => {
    expect([...new Set(DAMAGES.map(({ check }) => check))]).toEqual(CHECKS.map(({ name }) => name));
  });

  it('counts all discrepancies and shows the first of them', async () => {
    const found = await damaged(
      `INSERT INTO client_order_ids SELECT 'bob', 'cart-' || n, n FROM generate_series(1, 50) n`,
    );
    expect(found).toMatchObject([{ check: 'orders/client-order-ids', discrepancies: 50 }]);
    expect(found[0]?.examples).toHaveLength(EXAMPLES_AT_MOST);
  });

  it('judges the day by the time zone of the business', async () => {
    const findings = brokenOnes(await examine(database, { businessTimezone: 'Pacific/Kiritimati' }));
    expect(findings).toMatchObject([{ check: 'numbers/business-day', discrepancies: 6 }]);
  });

  it('finds nothing wrong while orders are placed and moved under its eyes', async () => {
    await daybook.createProduct('BUSY', 1_000);
    let isBusy = true;
    const work = async () => {
      while (isBusy) {
        const placed = await daybook.api('POST', '/orders', {
          body: { lines: [{ sku: 'BUSY', quantity: 1 }] },
        });
        await daybook.api('PATCH', `/orders/${placed.body.id}`, { body: { status: 'cancelled' } });
      }
    };
    const workers = Array.from({ length: 8 }, work);
    for (let round = 0; round < 10; round += 1) expect(brokenOnes(await examine(database))).toEqual([]);
    isBusy = false;
    await Promise.all(workers);
  });
});

describe('the doctor command', () => {
  /** Runs the built program to its end. */
  async function doctor(url: string, ...words: string[]) {
    const bundle = join(projectRoot(), 'dist/apps/api/main.js');
    const child = spawn(process.execPath, [bundle, 'doctor', ...words], {
      env: { PATH: process.env['PATH'], DATABASE_URL: url },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 20_000,
      killSignal: 'SIGKILL',
    });
    const exited = once(child, 'exit') as Promise<[number | null]>;
    const [out, err, [exitCode]] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
    return { exitCode, out, err };
  }

  it('ends with 0 when all is well, for people and for machines', async () => {
    const { url } = daybook.database;
    const [people, machines] = await Promise.all([doctor(url), doctor(url, '--json')]);
    expect(people).toMatchObject({ exitCode: 0, err: '' });
    expect(people.out).toMatch(/^stock\/allocated +OK +Allocated is the sum of what open orders claim\.$/m);
    expect(people.out).toMatch(new RegExp(`\nAll ${CHECKS.length} checks hold\\.\n$`));
    expect(machines).toMatchObject({ exitCode: 0, err: '' });
    expect(JSON.parse(machines.out)).toEqual({ healthy: true, findings: await examine(database) });
  });

  it('ends with 1 and says what is wrong when something is', async () => {
    const { url } = daybook.database;
    await database.query(
      `INSERT INTO client_order_ids SELECT 'bob', 'cart-' || n, n FROM generate_series(1, 50) n`,
    );
    const [people, machines] = await Promise.all([doctor(url), doctor(url, '--json')]);
    await database.query(`DELETE FROM client_order_ids WHERE customer_id = 'bob'`);
    expect(people).toMatchObject({ exitCode: 1, err: '' });
    expect(people.out).toMatch(/^orders\/client-order-ids +50 discrepancies +A customer's own name/m);
    expect(people.out).toContain('    cart-1 of bob leads to order 0-00001, which is not called so\n');
    expect(people.out).toContain('    … and 30 more\n');
    expect(people.out).toMatch(
      new RegExp(`\n1 of ${CHECKS.length} checks do not hold: 50 discrepancies\\.\n$`),
    );
    expect(machines).toMatchObject({ exitCode: 1, err: '' });
    expect(JSON.parse(machines.out)).toMatchObject({ healthy: false });
  });

  it('says so when there is nothing to examine', async () => {
    const url = new URL(daybook.database.url);
    url.pathname = '/daybook';
    const empty = await doctor(url.href);
    expect(empty).toMatchObject({ exitCode: 1, out: '' });
    expect(empty.err).toMatch(/^The database lacks products, .+ when it starts\.\n$/);
    url.port = '1';
    expect(await doctor(url.href)).toEqual({
      exitCode: 1,
      out: '',
      err: 'The database cannot be reached: connect ECONNREFUSED 127.0.0.1:1\n',
    });
  });
});
