import type { OpenAPIObject } from '@nestjs/swagger';

import { CLAIMING_STATUSES } from '@daybook/orders';

import { mediaTypeOf } from '../support/answer-body.js';
import { startTestApp, type TestApp, type TestResponse } from '../support/app.js';
import { parseCsv } from '../support/csv.js';
import { type OwnVenue, startVenue } from '../support/exchange-simulator.js';
import { type Operation, operationsOf, servedDocument } from './api-document.js';
import { type WireRequest, WireClient } from './http-client.js';
import { Random } from './random.js';
import { type Known, RequestGenerator } from './request-generator.js';
import { responsePlace, SchemaChecker } from './schema-checker.js';

/*
 * Requests that are made from the OpenAPI document, valid ones and spoilt ones, over every operation, several at a
 * time. A failure says its seed; FUZZ_SEED=<number> makes the same requests again, as far as the answers to those before
 * come in the same order. FUZZ_REQUESTS=<number> makes more of them.
 */
const SEED = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
const REQUESTS = Number(process.env['FUZZ_REQUESTS'] ?? 5_000);
const CONNECTIONS = 6;
// Business time runs ahead, so that what was reserved for long falls due too.
const REQUESTS_PER_MINUTE = 100;

let venue: OwnVenue;
let daybook: TestApp;
let document: OpenAPIObject;
let client: WireClient;

const known: Known = {
  sku: [],
  warehouse: ['main'],
  order: [],
  reservation: [],
  exchange: [],
  name: ['purge-idempotency-keys', 'purge-job-runs', 'make-report'],
  queue: ['orders', 'orders', 'orders', 'orders-dead'],
  cursor: [],
  position: ['0', '1', '9223372036854775807'],
  key: [],
};

/** Products with more and with less stock, in two warehouses, and orders that have gone some of their way. */
async function fillBooks(): Promise<void> {
  const { api, createProduct, tokens } = daybook;
  // As many as the generator prefers: what it makes itself is nothing but refused at first.
  for (const sku of ['TEA', 'CUP', 'POT', 'MUG', 'TIN', 'BOX']) {
    known.sku.push(await createProduct(sku, 100_000));
  }
  for (const sku of ['RARE', 'SCARCE']) known.sku.push(await createProduct(sku, 50));
  known.warehouse.push(
    (await api('POST', '/warehouses', { body: { code: 'north', name: 'North', priority: 10 } })).body.code,
  );
  const adjustment = { sku: 'TEA', warehouse: 'north', quantityDelta: 500, reason: 'received' };
  await api('POST', '/stock-adjustments', { body: adjustment });
  const ways = [
    ['processing', 'confirmed'],
    ['processing', 'confirmed', 'shipped'],
    ['processing', 'failed'],
    ['processing'],
  ];
  for (const [index, way] of [...ways, ...ways, ...ways].entries()) {
    const body = {
      lines: [
        { sku: 'TEA', quantity: 100 + index },
        { sku: 'CUP', quantity: 1 },
      ],
    };
    const { id } = (
      await api('POST', '/orders', { token: index % 2 === 0 ? tokens.alice : tokens.bob, body })
    ).body;
    for (const status of way) await api('PATCH', `/orders/${id}`, { body: { status } });
    known.order.push(id);
  }
}

beforeAll(async () => {
  // Half of the runs have nobody who writes an expiry down: then overdue reservations stay about.
  venue = await startVenue();
  const roles = new Random(SEED).chance(0.5) ? { DAYBOOK_ROLES: 'api' } : {};
  daybook = await startTestApp({ ...roles, EXCHANGE_URL: venue.url });
  document = await servedDocument(daybook);
  client = new WireClient(daybook.origin, CONNECTIONS);
  await fillBooks();
});
afterAll(async () => {
  client.close();
  await daybook.stop();
  await venue.stop();
});

// Answers that come from before or beside the routes, which the document does not repeat for each of them.
const ANYWHERE: Readonly<Record<number, string>> = {
  413: 'payload_too_large',
  414: 'validation_failed',
  415: 'unsupported_media_type',
};

/** What is wrong with an answer, by the document; nothing when all is well. */
function complaints(
  checker: SchemaChecker,
  operation: Operation,
  { status, headers, body, text }: TestResponse,
): string[] {
  if (status >= 500) return [`${status} is never an answer to a request: ${text}`];
  const isProblem = status >= 400;
  const type = mediaTypeOf(headers.get('content-type'));
  if (isProblem && type !== 'application/problem+json') return [`${status} comes as ${type}`];
  if (isProblem && body.requestId !== headers.get('x-request-id'))
    return ['requestId and X-Request-Id differ'];
  if (isProblem && ANYWHERE[status] === body.code) return [];
  const place = responsePlace(document, operation, status, type);
  if (place === undefined) return [`${status} ${body?.code ?? ''} as ${type} is not documented`];
  const values =
    type === 'text/csv' ? parseCsv(text).flat() : type === 'application/x-ndjson' ? body : [body];
  return values.flatMap((value: unknown) => checker.problems(place, value));
}

/** Learns from an answer what exists now. */
function learn(known: Known, { status, body }: TestResponse): void {
  if (status >= 400 || body === undefined) return;
  if (typeof body.nextCursor === 'string') keep(known.cursor, body.nextCursor);
  if (typeof body.nextAfter === 'string') keep(known.position, body.nextAfter);
  for (const row of body.results ?? [body].flat()) {
    const { id, sku, code, cursor } = row.order ?? row;
    if (cursor !== undefined) keep(known.cursor, cursor);
    if (/^\d{8}-\d+$/.test(id ?? '')) keep(known.order, id);
    if (/^X\d{8}-\d+$/.test(id ?? '')) keepNewest(known.exchange, id);
    if (/^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(id ?? '')) keepNewest(known.reservation, id);
    if (sku !== undefined) keep(known.sku, sku);
    if (code !== undefined) keep(known.warehouse, code);
  }
}

/** Few enough that the same things meet again and again. */
function keep(names: string[], name: string): void {
  if (!names.includes(name)) names.push(name);
  if (names.length > 40) names.splice(names.length / 2, 1);
}

/** For what comes to its end soon: what is asked about most is what may still change. */
function keepNewest(names: string[], name: string): void {
  if (!names.includes(name)) names.unshift(name);
  if (names.length > 40) names.pop();
}

/** A failure of the checks after the run says, like one during it, which run it was. */
function expectNone(rows: readonly unknown[]): void {
  expect({ FUZZ_SEED: SEED, rows }).toEqual({ FUZZ_SEED: SEED, rows: [] });
}

describe('thousands of requests made from the OpenAPI document', () => {
  const statuses = new Map<string, Map<number, number>>();

  it(
    'are answered as it says, and never with a 5xx',
    async () => {
      const random = new Random(SEED);
      const { operator, admin, alice, bob } = daybook.tokens;
      const generator = new RequestGenerator(random, document, known, [
        ...[operator, operator, operator, admin, admin, alice, bob],
        ...(random.chance(0.5) ? [undefined] : ['forged']),
      ]);
      const checker = new SchemaChecker(document);
      // What changes orders and reservations comes oftener: an order must be met several times to be shipped. So does
      // what only admins may, of whom there are few.
      const operations = operationsOf(document).flatMap((operation) =>
        /^((POST|PATCH|DELETE) \/api\/v1\/(orders|reservations|exchange)|\w+ \/api\/v1\/admin\/)/.test(
          operation.route,
        )
          ? [operation, operation, operation]
          : [operation],
      );
      const failures: { request: WireRequest; complaints: string[]; answer: string }[] = [];
      let sent = 0;

      const work = async () => {
        while (sent < REQUESTS && failures.length === 0) {
          const operation = operations[sent % operations.length] as Operation;
          sent += 1;
          if (sent % REQUESTS_PER_MINUTE === 0) {
            await daybook.database.shiftTime(`${sent / REQUESTS_PER_MINUTE} minutes`);
          }
          const request = generator.request(operation);
          const answer = await client.send(request);
          const wrong = complaints(checker, operation, answer);
          if (wrong.length > 0) failures.push({ request, complaints: wrong, answer: answer.text });
          learn(known, answer);
          const counts = statuses.get(operation.route) ?? new Map<number, number>();
          statuses.set(operation.route, counts.set(answer.status, (counts.get(answer.status) ?? 0) + 1));
        }
      };
      await Promise.all(Array.from({ length: CONNECTIONS }, work));

      if (failures.length > 0) throw new Error(`FUZZ_SEED=${SEED}: ${JSON.stringify(failures, null, 2)}`);
      expect(sent).toBe(REQUESTS);
    },
    60_000 + REQUESTS * 10,
  );

  it('reach into every operation: some of them succeed, some are refused for what they say', () => {
    for (const { route, operation } of operationsOf(document)) {
      const saysNothing = (operation.parameters ?? []).length === 0 && operation.requestBody === undefined;
      const answered = [...(statuses.get(route)?.keys() ?? [])];
      const succeeded = answered.some((status) => status < 300);
      const refused = saysNothing || answered.some((status) => status === 400 || status === 404);
      expect({ FUZZ_SEED: SEED, route, succeeded, refused }).toMatchObject({
        succeeded: true,
        refused: true,
      });
    }
  });

  it('leave a server that is alive', async () => {
    expect((await client.send({ method: 'GET', path: '/health/ready' })).status).toBe(200);
    const body = { lines: [{ sku: await daybook.createProduct('ALIVE', 1), quantity: 1 }] };
    expect((await daybook.api('POST', '/orders', { body })).status).toBe(201);
  });

  it('leave stock that is never oversold, and is allocated to open orders and to nothing else', async () => {
    const oversold = await daybook.database.query(
      `SELECT * FROM stock_levels WHERE reserved < 0 OR allocated < 0 OR reserved + allocated > on_hand`,
    );
    expectNone(oversold);
    const differing = await daybook.database.query(
      `SELECT level.*, claims.quantity AS claimed FROM stock_levels level
       FULL JOIN (
         SELECT line.product_id, allocation.warehouse_id, sum(allocation.quantity) AS quantity
         FROM orders JOIN order_lines line ON line.order_id = orders.id
         JOIN order_allocations allocation ON allocation.order_id = orders.id AND allocation.line_no = line.line_no
         WHERE orders.status = ANY($1) GROUP BY 1, 2
       ) claims USING (product_id, warehouse_id)
       WHERE level.allocated IS DISTINCT FROM coalesce(claims.quantity, 0)`,
      [CLAIMING_STATUSES],
    );
    expectNone(differing);
  });

  it('leave stock that is reserved as its holds say, for active reservations in the warehouses that were promised', async () => {
    const differing = await daybook.database.query(
      `SELECT level.*, holds.quantity AS held FROM stock_levels level
       FULL JOIN (SELECT product_id, warehouse_id, sum(quantity) AS quantity FROM stock_holds GROUP BY 1, 2) holds
         USING (product_id, warehouse_id)
       WHERE level.reserved IS DISTINCT FROM coalesce(holds.quantity, 0)`,
    );
    expectNone(differing);
    // An overdue reservation may have lost some of its holds, to whoever ran short first; no other may.
    const wrong = await daybook.database.query(
      `SELECT * FROM stock_holds hold
       FULL JOIN (
         SELECT reservations.id AS reservation_id, expires_at, (line->>'productId')::int AS product_id,
           (allocation->>'warehouseId')::int AS warehouse_id, sum((allocation->>'quantity')::int) AS promised
         FROM reservations, jsonb_array_elements(lines) AS line, jsonb_array_elements(line->'allocations') AS allocation
         WHERE status = 'active' GROUP BY 1, 2, 3, 4
       ) promise USING (reservation_id, product_id, warehouse_id)
       WHERE hold.quantity IS DISTINCT FROM promised AND (promised IS NULL OR hold.quantity IS NOT NULL
           OR promise.expires_at > business_now())
         OR hold.expires_at <> promise.expires_at`,
    );
    expectNone(wrong);
  });

  it('leave a stock on hand that its movements explain', async () => {
    const unexplained = await daybook.database.query(
      `SELECT level.*, moved.sum FROM stock_levels level
       FULL JOIN (SELECT product_id, warehouse_id, sum(quantity_delta) FROM stock_movements GROUP BY 1, 2) moved
         USING (product_id, warehouse_id)
       WHERE level.on_hand IS DISTINCT FROM coalesce(moved.sum, 0)`,
    );
    expectNone(unexplained);
  });

  it('leave orders whose lines are allocated in full, whose totals add up, and whose every version is journaled', async () => {
    const wrong = await daybook.database.query(
      `SELECT orders.id, orders.status, orders.version FROM orders
       WHERE total_cents <> (SELECT sum(quantity * unit_price_cents) FROM order_lines WHERE order_id = orders.id)
         OR EXISTS (
           SELECT 1 FROM order_lines line WHERE line.order_id = orders.id AND line.quantity <> (
             SELECT coalesce(sum(quantity), 0) FROM order_allocations allocation
             WHERE allocation.order_id = line.order_id AND allocation.line_no = line.line_no))
         OR (SELECT array_agg(entry.version ORDER BY entry.version) FROM journal entry
             WHERE entity_type = 'order' AND entity_id = left(orders.id::text, 8) || '-' || right(orders.id::text, 5))
            IS DISTINCT FROM (SELECT array_agg(n) FROM generate_series(1, orders.version) AS n)`,
    );
    expectNone(wrong);
    expect((await daybook.database.query('SELECT FROM orders')).length).toBeGreaterThan(20);
  });

  it('leave reservations whose every version is journaled, and whose orders have what they held', async () => {
    const unjournaled = await daybook.database.query(
      `SELECT reservations.* FROM reservations
       WHERE (SELECT array_agg(entry.version ORDER BY entry.version) FROM journal entry
              WHERE entity_type = 'reservation' AND entity_id = reservations.id::text)
         IS DISTINCT FROM (SELECT array_agg(n) FROM generate_series(1, reservations.version) AS n)`,
    );
    expectNone(unjournaled);
    const strangers = await daybook.database.query(
      `SELECT * FROM (
         SELECT id AS reservation_id, order_id, customer_id, (
           SELECT jsonb_agg(jsonb_build_array(line->'productId', line->'quantity') ORDER BY line_no)
           FROM jsonb_array_elements(lines) WITH ORDINALITY AS list (line, line_no)) AS lines
         FROM reservations WHERE status = 'consumed') consumed
       FULL JOIN (
         SELECT reservation_id, left(id::text, 8) || '-' || right(id::text, 5) AS order_id, customer_id, (
           SELECT jsonb_agg(jsonb_build_array(product_id, quantity) ORDER BY line_no)
           FROM order_lines WHERE order_id = orders.id) AS lines
         FROM orders WHERE reservation_id IS NOT NULL) placed
       USING (reservation_id, order_id, customer_id, lines)
       WHERE consumed.lines IS NULL OR placed.lines IS NULL`,
    );
    expectNone(strangers);
  });

  it('end reservations in every way', async () => {
    const rows = await daybook.database.query<{ end: string }>(
      `SELECT CASE status WHEN 'active' THEN 'overdue' ELSE status END AS end, count(*)::int FROM reservations
       WHERE status <> 'active' OR expires_at <= business_now() GROUP BY 1`,
    );
    const ends = rows.map(({ end }) => (end === 'overdue' ? 'expired' : end));
    expect({ FUZZ_SEED: SEED, ends: [...new Set(ends)].sort() }).toEqual({
      FUZZ_SEED: SEED,
      ends: ['consumed', 'expired', 'released'],
    });
  });
});
