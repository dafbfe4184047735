import { randomUUID } from 'node:crypto';

import { SignJWT, UnsecuredJWT } from 'jose';

import { request, startTestApp, type TestApp, TEST_SECRET, tokenFor } from '../support/app.js';
import { type OwnVenue, startVenue } from '../support/exchange-simulator.js';
import { expectProblem } from '../support/problem.js';
import { operationsOf, servedDocument } from './api-document.js';
import { routesOf } from './nest-routes.js';

/*
 * Who may do what. The order or reservation in {id} is Alice's, and so is what POST asks for; Bob is another customer.
 * `-` is no token or one that is not valid, `none` a valid one without a role. A fulfilment service has no token: it signs.
 */
const TABLE = `
  route                                             -   none  alice  bob  operator  admin

  GET   /health/live                               200   200   200   200    200      200
  GET   /health/ready                              200   200   200   200    200      200
  GET   /metrics                                   200   200   200   200    200      200

  POST  /api/v1/products                           401   403   403   403    201      201
  GET   /api/v1/products                           401   403   200   200    200      200
  GET   /api/v1/products/{sku}                     401   403   200   200    200      200
  PATCH /api/v1/products/{sku}                     401   403   403   403    200      200
  GET   /api/v1/products/{sku}/stock               401   403   403   403    200      200
  POST  /api/v1/warehouses                         401   403   403   403    201      201
  GET   /api/v1/warehouses                         401   403   403   403    200      200
  POST  /api/v1/stock-adjustments                  401   403   403   403    201      201

  POST  /api/v1/reservations                       401   403   201   201    201      201
  POST  /api/v1/reservations for Alice             401   403   201   403    201      201
  GET   /api/v1/reservations/{id}                  401   403   200   404    200      200
  POST  /api/v1/reservations/{id}/extend           401   403   200   404    200      200
  POST  /api/v1/reservations/{id}/release          401   403   200   404    200      200

  POST  /api/v1/orders                             401   403   201   201    201      201
  POST  /api/v1/orders for Alice                   401   403   201   403    201      201
  POST  /api/v1/orders for Alice's reservation     401   403   201   404    201      201
  POST  /api/v1/orders/bulk                        401   403   200   200    200      200
  GET   /api/v1/orders                             401   403   200   200    200      200
  GET   /api/v1/orders/export                      401   403   200   200    200      200
  GET   /api/v1/orders/{id}                        401   403   200   404    200      200
  GET   /api/v1/orders/{id}/status                 401   403   200   404    200      200
  GET   /api/v1/orders/{id}/transitions            401   403   200   404    200      200
  PATCH /api/v1/orders/{id} to cancelled           401   403   200   404    200      200
  PATCH /api/v1/orders/{id} to processing          401   403   403   404    200      200
  PATCH /api/v1/orders/{id} to delivered           401   403   403   404    409      409
  GET   /api/v1/orders/{id}/audit                  401   403   403   403    200      200
  GET   /api/v1/audit                              401   403   403   403    200      200

  POST  /api/v1/exchange/orders                    401   403   201   201    201      201
  GET   /api/v1/exchange/orders                    401   403   200   200    200      200
  GET   /api/v1/exchange/orders/{id}               401   403   200   404    200      200
  GET   /api/v1/exchange/orders/{id}/executions    401   403   200   404    200      200
  GET   /api/v1/exchange/orders/{id}/transitions   401   403   200   404    200      200
  DELETE /api/v1/exchange/orders/{id}              401   403   202   404    202      202

  POST  /api/v1/processing/callbacks/{orderId}     401   401   401   401    401      401
  GET   /api/v1/events                             401   403   403   403    200      200
  GET   /api/v1/metrics                            401   403   403   403    200      200
  GET   /api/v1/reports                            401   403   403   403    200      200
  GET   /api/v1/reports/latest                     401   403   403   403    200      200

  GET   /api/v1/admin/jobs                         401   403   403   403    403      200
  GET   /api/v1/admin/jobs/{name}/runs             401   403   403   403    403      200
  POST  /api/v1/admin/jobs/{name}/run              401   403   403   403    403      200
  GET   /api/v1/admin/queues                       401   403   403   403    403      200
  GET   /api/v1/admin/queues/{name}/dead           401   403   403   403    403      200
  POST  /api/v1/admin/queues/{name}/pause          401   403   403   403    403      200
  POST  /api/v1/admin/queues/{name}/resume         401   403   403   403    403      200
  POST  /api/v1/admin/queues/{name}/drain          401   403   403   403    403      200
  POST  /api/v1/admin/queues/{name}/redrive        401   403   403   403    403      200
`;

const lines = [{ sku: 'TEA', quantity: 1 }];
// At a price that nobody sells at, so that it stays open.
const EXCHANGE_ORDER = {
  instrument: 'US0378331005',
  side: 'buy',
  type: 'limit',
  quantity: 100,
  limitPriceCents: 1,
};
const aCode = () => randomUUID().slice(0, 8);

/** What each row that is no GET sends, by its route and what it says behind it. */
const BODIES: Record<string, () => unknown> = {
  'POST /api/v1/products': () => ({ sku: aCode(), name: 'New', priceCents: 1 }),
  'PATCH /api/v1/products/{sku}': () => ({ name: aCode() }),
  'POST /api/v1/warehouses': () => ({ code: aCode(), name: 'New' }),
  'POST /api/v1/stock-adjustments': () => ({ sku: 'TEA', quantityDelta: 1, reason: 'received' }),
  'POST /api/v1/reservations': () => ({ lines }),
  'POST /api/v1/reservations for Alice': () => ({ lines, customerId: 'alice' }),
  'POST /api/v1/reservations/{id}/extend': () => ({ ttlSeconds: 60 }),
  'POST /api/v1/reservations/{id}/release': () => undefined,
  'POST /api/v1/orders': () => ({ lines }),
  'POST /api/v1/orders for Alice': () => ({ lines, customerId: 'alice' }),
  "POST /api/v1/orders for Alice's reservation": async () => ({
    reservationId: await makeForAlice('/reservations'),
  }),
  'POST /api/v1/orders/bulk': () => ({ orders: [{ lines }] }),
  'PATCH /api/v1/orders/{id} to cancelled': () => ({ status: 'cancelled', reason: 'Changed my mind' }),
  'PATCH /api/v1/orders/{id} to processing': () => ({ status: 'processing' }),
  'PATCH /api/v1/orders/{id} to delivered': () => ({ status: 'delivered' }),
  'POST /api/v1/exchange/orders': () => EXCHANGE_ORDER,
  'DELETE /api/v1/exchange/orders/{id}': () => undefined,
  'POST /api/v1/processing/callbacks/{orderId}': () => ({ outcome: 'confirmed' }),
  'POST /api/v1/admin/jobs/{name}/run': () => undefined,
  'POST /api/v1/admin/queues/{name}/pause': () => undefined,
  'POST /api/v1/admin/queues/{name}/resume': () => undefined,
  'POST /api/v1/admin/queues/{name}/drain': () => ({}),
  'POST /api/v1/admin/queues/{name}/redrive': () => ({}),
};

const SET_UP = 'set-up';

interface Cell {
  /** With what the row says behind the route. */
  readonly row: string;
  readonly route: string;
  readonly caller: string;
  readonly status: number;
}

function readTable(): Cell[] {
  const [heading = '', ...rows] = TABLE.split('\n').filter((row) => row.trim() !== '');
  const callers = heading.trim().split(/\s+/).slice(1);
  return rows.flatMap((line) => {
    const { row = '', statuses = '' } = /^\s*(?<row>.*?)\s+(?<statuses>[\d ]+)$/.exec(line)?.groups ?? {};
    const [method, path, ...rest] = row.split(/\s+/);
    const numbers = statuses.trim().split(/\s+/).map(Number);
    if (numbers.length !== callers.length) throw new Error(`The row does not fit the heading: ${line}`);
    return callers.map((caller, index) => ({
      row: [method, path, ...rest].join(' '),
      route: `${method} ${path}`,
      caller,
      status: numbers[index] as number,
    }));
  });
}

const CODES: Readonly<Record<number, string>> = {
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not_found',
  409: 'illegal_transition',
};

let venue: OwnVenue;
let daybook: TestApp;
let tokens: Readonly<Record<string, readonly (string | undefined)[]>>;

beforeAll(async () => {
  venue = await startVenue();
  daybook = await startTestApp({ ORDER_PROCESSOR_SECRET: TEST_SECRET, EXCHANGE_URL: venue.url });
  await daybook.createProduct('TEA', 10_000);
  await daybook.api('POST', '/admin/jobs/make-report/run', { token: daybook.tokens.admin });
  const { alice, bob, operator, admin } = daybook.tokens;
  const none = await tokenFor('nobody', 'auditor');
  tokens = {
    '-': await badTokens(),
    none: [none],
    alice: [alice],
    bob: [bob],
    operator: [operator],
    admin: [admin],
  };
});
afterAll(async () => {
  await daybook.stop();
  await venue.stop();
});

/** No token, and tokens that would be an admin's if they were valid. */
async function badTokens(): Promise<(string | undefined)[]> {
  const claims = { roles: ['admin', 'operator'] };
  const valid = () => new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).setSubject('admin-1');
  const encode = (secret: string) => new TextEncoder().encode(secret);
  return [
    undefined,
    'not-a-token',
    await valid().setExpirationTime('-1h').sign(encode(TEST_SECRET)),
    await valid().setExpirationTime('1h').sign(encode('another secret of at least 32 characters')),
    new UnsecuredJWT(claims).setSubject('admin-1').setExpirationTime('1h').encode(),
  ];
}

async function send({ row, route }: Cell, token: string | undefined) {
  const [method = '', path = ''] = route.split(' ');
  const [, kind] = /^\/api\/v1(.+?)\/\{id\}/.exec(path) ?? [];
  const id = kind === undefined ? '' : await makeForAlice(kind);
  const body = await BODIES[row]?.();
  const name = path.includes('/queues/') ? 'orders' : 'purge-idempotency-keys';
  const filled = path.replace('{id}', id).replace('{sku}', 'TEA').replace('{name}', name);
  return request(daybook.origin, method, filled, {
    ...(token !== undefined && { token }),
    ...(body !== undefined && { body }),
  });
}

/** @param kind `/orders`, `/reservations` or `/exchange/orders` */
async function makeForAlice(kind: string): Promise<string> {
  const headers = { 'x-request-id': SET_UP };
  const asked =
    kind === '/exchange/orders'
      ? { token: daybook.tokens.alice, body: EXCHANGE_ORDER, headers }
      : { body: { lines, customerId: 'alice' }, headers };
  return (await daybook.api('POST', kind, asked)).body.id;
}

describe('the table', () => {
  it('has a row for every route of the router, and none that is not there', () => {
    const inTable = new Set(readTable().map(({ route }) => route));
    expect([...inTable].sort()).toEqual(
      routesOf(daybook)
        .map(({ route }) => route)
        .sort(),
    );
  });

  it('has a row for every operation of the OpenAPI document', async () => {
    const inTable = readTable().map(({ route }) => route);
    const documented = operationsOf(await servedDocument(daybook)).map(({ route }) => route);
    expect(documented.filter((route) => !inTable.includes(route))).toEqual([]);
  });

  it('says of every row that is no GET what it sends', () => {
    const rows = new Set(readTable().map(({ row }) => row));
    expect(Object.keys(BODIES).sort()).toEqual([...rows].filter((row) => !row.startsWith('GET ')).sort());
  });
});

describe.each(readTable())('$row, asked for by $caller', (cell) => {
  const { caller, status } = cell;

  it(`is answered ${status}`, async () => {
    for (const token of tokens[caller] ?? []) {
      // What the request is about has to be made first.
      const journal = `SELECT count(*) FROM journal WHERE request_id <> '${SET_UP}'`;
      const before = await daybook.database.query(journal);
      const answer = await send(cell, token);
      if (status < 400) {
        expect({ status: answer.status, text: answer.text }).toEqual({ status, text: answer.text });
      } else {
        expectProblem(answer, status, CODES[status] ?? '');
        expect(answer.headers.get('www-authenticate')).toBe(status === 401 ? 'Bearer' : null);
        expect(await daybook.database.query(journal)).toEqual(before);
      }
    }
  });
});

describe('an order that an operator places for a customer', () => {
  it("is the customer's: they read and cancel it, the journal knows who placed it", async () => {
    const id = await makeForAlice('/orders');
    const asAlice = { token: daybook.tokens.alice };
    expect((await daybook.api('GET', `/orders/${id}`, asAlice)).body.customerId).toBe('alice');
    expect((await daybook.api('GET', '/orders', asAlice)).body.data[0].id).toBe(id);
    const body = { status: 'cancelled' };
    expect((await daybook.api('PATCH', `/orders/${id}`, { ...asAlice, body })).status).toBe(200);
    const { data } = (await daybook.api('GET', `/orders/${id}/audit`)).body;
    expect(data.map(({ actor }: { actor: string }) => actor)).toEqual(['operator-1', 'alice']);
  });
});

describe('a reservation that an operator makes for a customer', () => {
  it("is the customer's: they read and release it, the journal knows who made it", async () => {
    const id = await makeForAlice('/reservations');
    const asAlice = { token: daybook.tokens.alice };
    expect((await daybook.api('GET', `/reservations/${id}`, asAlice)).body.customerId).toBe('alice');
    expect((await daybook.api('POST', `/reservations/${id}/release`, asAlice)).status).toBe(200);
    const journal = 'SELECT actor FROM journal WHERE entity_id = $1 ORDER BY version';
    expect(await daybook.database.query(journal, [id])).toEqual([
      { actor: 'operator-1' },
      { actor: 'alice' },
    ]);
  });
});

describe('an unknown path', () => {
  it.each(['/api/v1/nothing', '/api/v2/orders', '/', '/admin'])('is 404 to everybody: %s', async (path) => {
    for (const token of [undefined, daybook.tokens.admin]) {
      const answer = await request(daybook.origin, 'GET', path, { ...(token && { token }) });
      expectProblem(answer, 404, 'not_found');
    }
  });
});
