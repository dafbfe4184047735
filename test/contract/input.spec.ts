import type { OpenAPIObject } from '@nestjs/swagger';

import { startTestApp, type TestApp, type TestResponse } from '../support/app.js';
import { type OwnVenue, startVenue } from '../support/exchange-simulator.js';
import { expectInvalid, expectProblem } from '../support/problem.js';
import { bodySchemaOf, operationsOf, resolve, type Schema, servedDocument } from './api-document.js';
import {
  type BadValues,
  choice,
  CURRENCY,
  FLAG,
  INSTRUMENT,
  json,
  list,
  QUERY_CENTS,
  QUERY_INSTANT,
  QUERY_LIMIT,
  QUERY_POSITION,
  queryChoice,
  queryText,
  SKU,
  text,
  UUID,
  WAREHOUSE,
  whole,
} from './bad-values.js';
import { type WireRequest, WireClient } from './http-client.js';

let venue: OwnVenue;
let daybook: TestApp;
let client: WireClient;
/** One of each kind that a path names by `{id}`, by the path of its kind. */
const made = new Map<string, string>();
let before: unknown;

beforeAll(async () => {
  venue = await startVenue();
  daybook = await startTestApp({ EXCHANGE_URL: venue.url });
  client = new WireClient(daybook.origin, 4);
  await daybook.createProduct('TEA', 1000);
  for (const code of ['a', 'b']) await daybook.api('POST', '/warehouses', { body: { code, name: code } });
  const lines = [LINE];
  made.set('orders', (await daybook.api('POST', '/orders', { body: { lines } })).body.id);
  const body = { lines, ttlSeconds: 86_400 };
  made.set('reservations', (await daybook.api('POST', '/reservations', { body })).body.id);
  made.set(
    'exchange/orders',
    (await daybook.api('POST', '/exchange/orders', { body: EXCHANGE_ORDER })).body.id,
  );
  before = await everything();
});
afterAll(async () => {
  client.close();
  await daybook.stop();
  await venue.stop();
});

/** What bad input must never change. */
const everything = () =>
  daybook.database.query(`SELECT
    (SELECT jsonb_agg(orders ORDER BY id) FROM orders) AS orders,
    (SELECT jsonb_agg(reservations ORDER BY id) FROM reservations) AS reservations,
    (SELECT jsonb_agg(hold ORDER BY reservation_id) FROM stock_holds hold) AS holds,
    (SELECT jsonb_agg(exchange_orders ORDER BY id) FROM exchange_orders) AS exchange,
    (SELECT jsonb_agg(products ORDER BY id) FROM products) AS products,
    (SELECT jsonb_agg(warehouses ORDER BY id) FROM warehouses) AS warehouses,
    (SELECT jsonb_agg(level ORDER BY product_id) FROM stock_levels level) AS stock,
    (SELECT count(*) FROM stock_movements) AS movements,
    (SELECT count(*) FROM journal) AS journal,
    (SELECT count(*) FROM idempotency_keys) AS keys`);

interface BodyTable {
  /** A body that would be accepted. */
  readonly valid: object;
  /** No body is the same as `{}`. */
  readonly mayBeLeftOut?: boolean;
  readonly required: Readonly<Record<string, BadValues>>;
  readonly optional?: Readonly<Record<string, BadValues>>;
}

const LINE = { sku: 'TEA', quantity: 1 };
// At a price that nobody sells at, so that it stays open.
const EXCHANGE_ORDER = {
  instrument: 'US0378331005',
  side: 'buy',
  type: 'limit',
  quantity: 100,
  limitPriceCents: 1,
};
const ORDER_ID = '20261120-00001';
const QUANTITY = whole(1, 1_000_000);
const CENTS = whole(0, 9_999_999_999);
const TTL = whole(1, 86_400);
const PRIORITY = choice('normal', 'high');
const ORDER_OPTIONS = {
  reservationId: UUID,
  priority: PRIORITY,
  clientOrderId: text(64),
  processingTimeMs: whole(0, 600_000),
  customerId: text(255),
};

/** Every field of every body. A field that the OpenAPI document has and this table has not fails the test below. */
const BODIES: Readonly<Record<string, BodyTable>> = {
  'POST /api/v1/products': {
    valid: { sku: 'NEW', name: 'New', priceCents: 1 },
    required: { sku: SKU, name: text(200), priceCents: CENTS },
    optional: { currency: CURRENCY },
  },
  'PATCH /api/v1/products/{sku}': {
    valid: { name: 'Changed' },
    required: {},
    optional: { name: text(200), priceCents: CENTS, active: FLAG },
  },
  'POST /api/v1/warehouses': {
    valid: { code: 'new', name: 'New' },
    required: { code: WAREHOUSE, name: text(200) },
    optional: { priority: whole(0, 1000) },
  },
  'POST /api/v1/stock-adjustments': {
    valid: { sku: 'TEA', quantityDelta: 1, reason: 'received' },
    required: {
      sku: SKU,
      quantityDelta: { ...whole(-1_000_000_000, 1_000_000_000), zero: 0, 'minus zero': json('-0') },
      reason: text(200),
    },
    optional: { warehouse: WAREHOUSE },
  },
  'POST /api/v1/reservations': {
    valid: { lines: [LINE] },
    required: { lines: list(LINE, 100), 'lines[0].sku': SKU, 'lines[0].quantity': QUANTITY },
    optional: { ttlSeconds: TTL, customerId: text(255) },
  },
  'POST /api/v1/reservations/{id}/extend': {
    valid: { ttlSeconds: 60 },
    required: { ttlSeconds: TTL },
  },
  'POST /api/v1/orders': {
    valid: { lines: [LINE] },
    required: { lines: list(LINE, 100), 'lines[0].sku': SKU, 'lines[0].quantity': QUANTITY },
    optional: ORDER_OPTIONS,
  },
  'POST /api/v1/orders/bulk': {
    valid: { orders: [{ lines: [LINE] }] },
    required: {
      orders: list({ lines: [LINE] }, 500),
      'orders[0].lines': list(LINE, 100),
      'orders[0].lines[0].sku': SKU,
      'orders[0].lines[0].quantity': QUANTITY,
    },
    optional: {
      ...Object.fromEntries(Object.entries(ORDER_OPTIONS).map(([name, bad]) => [`orders[0].${name}`, bad])),
      'orders[0].idempotencyKey': text(255),
    },
  },
  'PATCH /api/v1/orders/{id}': {
    valid: { status: 'processing' },
    required: { status: choice('pending', 'processing', 'cancelled') },
    optional: { reason: text(500) },
  },
  'POST /api/v1/exchange/orders': {
    valid: EXCHANGE_ORDER,
    required: {
      instrument: INSTRUMENT,
      side: choice('buy', 'sell'),
      type: choice('limit', 'market'),
      quantity: whole(1, 1_000_000_000),
    },
    optional: { clientOrderId: text(64), limitPriceCents: whole(1, 9_999_999_999) },
  },
  'POST /api/v1/admin/queues/{name}/drain': {
    valid: { waitSeconds: 0 },
    mayBeLeftOut: true,
    required: {},
    optional: { waitSeconds: whole(0, 60) },
  },
  'POST /api/v1/admin/queues/{name}/redrive': {
    valid: { limit: 1 },
    mayBeLeftOut: true,
    required: {},
    optional: {
      limit: whole(1, 1_000),
      orderIds: {
        ...list(ORDER_ID, 1_000),
        'an item that is no order id': [ORDER_ID, 'order'],
        'an item that is a number': [20_261_120],
        'an order id with a line feed': [`${ORDER_ID}\n`],
        'an order id beyond all numbers': ['20261120-99999999999'],
      },
      reason: text(500),
    },
  },
};

/** What changes something and takes no body. */
const BODILESS = [
  'POST /api/v1/admin/jobs/{name}/run',
  'POST /api/v1/reservations/{id}/release',
  'POST /api/v1/admin/queues/{name}/pause',
  'POST /api/v1/admin/queues/{name}/resume',
  'DELETE /api/v1/exchange/orders/{id}',
];

/** What is bad for a number that may be 0. */
function withoutZero({
  zero: _,
  ...bad
}: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return bad;
}

/** Which orders, and in which order. */
const ORDER_FILTERS = {
  status: { ...queryChoice('pending'), 'one of them unknown': 'pending&status=nonsense' },
  customerId: queryText('customerId', 255),
  priority: queryChoice('high'),
  placedFrom: QUERY_INSTANT,
  placedTo: {
    ...QUERY_INSTANT,
    'before placedFrom': '2026-11-20T00:00:00Z&placedFrom=2026-11-20T00:00:00.001Z',
  },
  minTotalCents: QUERY_CENTS,
  maxTotalCents: { ...QUERY_CENTS, 'less than minTotalCents': '5&minTotalCents=6' },
  sku: { nothing: '', 'a slash': 'a%2Fb', 'a NUL': '%00', 'too long': 'A'.repeat(65) },
  clientOrderId: queryText('clientOrderId', 64),
  sort: queryChoice('newest'),
};

/** The query of every list. */
const QUERIES: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, string>>>>>> = {
  'GET /api/v1/products': {
    sku: { nothing: '', 'a slash': 'a%2Fb', 'a NUL': '%00', 'a list': 'A&sku=B', 'too long': 'A'.repeat(65) },
    text: { nothing: '', blanks: '%20', 'a NUL': '%00', 'a list': 'a&text=b', 'too long': 'a'.repeat(101) },
    limit: QUERY_LIMIT,
    cursor: {},
  },
  'GET /api/v1/warehouses': { limit: QUERY_LIMIT, cursor: {} },
  'GET /api/v1/orders': { ...ORDER_FILTERS, limit: QUERY_LIMIT, cursor: {}, count: queryChoice('exact') },
  'GET /api/v1/orders/export': { ...ORDER_FILTERS, format: queryChoice('csv'), cursor: {} },
  'GET /api/v1/exchange/orders': {
    status: { ...queryChoice('pending'), 'one of them unknown': 'pending&status=nonsense' },
    instrument: {
      nothing: '',
      'a wrong check digit': 'US0378331004',
      'a NUL': '%00',
      'too long': 'US03783310055',
    },
    side: queryChoice('buy'),
    limit: QUERY_LIMIT,
    cursor: {},
  },
  'GET /api/v1/exchange/orders/{id}/executions': { limit: QUERY_LIMIT, cursor: {} },
  'GET /api/v1/orders/{id}/audit': { limit: QUERY_LIMIT, cursor: {} },
  'GET /api/v1/audit': {
    entityType: queryText('entityType', 100),
    entityId: queryText('entityId', 255),
    actor: queryText('actor', 255),
    type: queryText('type', 100),
    from: QUERY_INSTANT,
    to: { ...QUERY_INSTANT, 'before from': '2026-11-19T23:59:59.999Z&from=2026-11-20T00:00:00.000Z' },
    limit: QUERY_LIMIT,
    cursor: {},
  },
  'GET /api/v1/events': {
    after: QUERY_POSITION,
    limit: QUERY_LIMIT,
    waitSeconds: { ...withoutZero(QUERY_LIMIT), 'one too many': '31' },
  },
  'GET /api/v1/reports': { limit: QUERY_LIMIT, cursor: {} },
  'GET /api/v1/admin/jobs/{name}/runs': { limit: QUERY_LIMIT, cursor: {} },
  'GET /api/v1/admin/queues/{name}/dead': { limit: QUERY_LIMIT, cursor: {} },
};

/** What may be there several times. */
const REPEATABLE = [
  'GET /api/v1/orders status',
  'GET /api/v1/orders/export status',
  'GET /api/v1/exchange/orders status',
];

const fill = (path: string) =>
  path
    .replace('{sku}', 'TEA')
    .replace('queues/{name}', 'queues/orders')
    .replace('{name}', 'purge-idempotency-keys')
    .replace(/(?<=^\/api\/v1\/)(.+)\/\{id\}/, (_, kind: string) => `${kind}/${made.get(kind)}`);

function send(
  route: string,
  { query = '', headers = {}, body }: Partial<WireRequest> & { query?: string } = {},
) {
  const [method = '', path = ''] = route.split(' ');
  return client.send({
    method,
    path: `${fill(path)}${query}`,
    headers: {
      authorization: `Bearer ${daybook.tokens.admin}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    body,
  });
}

/** A copy of the body in which the field at `path` (`lines[0].sku`) is another, or missing. */
function withField(body: object, path: string, ...value: [] | [unknown]): object {
  const copy = structuredClone(body) as Record<string, unknown>;
  const keys = path.split(/[.[\]]+/).filter((key) => key !== '');
  const last = keys.pop() ?? '';
  const parent = keys.reduce((object, key) => object[key] as Record<string, unknown>, copy);
  if (value.length === 0) delete parent[last];
  else parent[last] = value[0];
  return copy;
}

/** Rows of a bulk are refused one by one, with the problem that the single route would answer. */
function expectFieldRefused(answer: TestResponse, route: string, path: string): void {
  if (!route.endsWith('/bulk') || path === 'orders') {
    expectInvalid(answer, path);
    return;
  }
  expect(answer.status).toBe(200);
  const [{ status, error }] = answer.body.results;
  expect(status).toBe(400);
  expect(error).toMatchObject({
    code: 'validation_failed',
    errors: [{ path: path.replace('orders[0].', '') }],
  });
}

const bodyRoutes = Object.entries(BODIES).map(([route, table]) => ({ route, ...table }));
const fields = bodyRoutes.flatMap(({ route, valid, required, optional = {} }) => [
  ...Object.entries(required).map(([path, bad]) => ({ route, valid, path, bad, isRequired: true })),
  ...Object.entries(optional).map(([path, bad]) => ({ route, valid, path, bad, isRequired: false })),
]);

describe('the tables', () => {
  let document: OpenAPIObject;
  const sorted = (record: object) => Object.keys(record).sort();

  beforeAll(async () => {
    document = await servedDocument(daybook);
  });

  it('have every field of every body, and know which are required', () => {
    const documented = operationsOf(document).flatMap((operation) => {
      const schema = bodySchemaOf(document, operation);
      return schema === undefined ? [] : [[operation.route, fieldsOf(document, schema)] as const];
    });
    const inTable = bodyRoutes.map(({ route, required, optional = {} }) => [
      route,
      { required: sorted(required), optional: sorted(optional) },
    ]);
    expect(Object.fromEntries(documented)).toEqual(Object.fromEntries(inTable));
  });

  it('have every route that changes something and takes no body', () => {
    const documented = operationsOf(document).filter(
      (operation) => operation.method !== 'GET' && bodySchemaOf(document, operation) === undefined,
    );
    expect(documented.map(({ route }) => route)).toEqual(BODILESS);
  });

  it('have every query parameter', () => {
    const documented = operationsOf(document).flatMap(({ route, operation }) => {
      const parameters = (operation.parameters ?? []).map((item) => resolve(document, item));
      const query = parameters.filter(({ in: place }) => place === 'query').map(({ name }) => name);
      return query.length === 0 ? [] : [[route, query.sort()]];
    });
    expect(Object.fromEntries(documented)).toEqual(
      Object.fromEntries(Object.entries(QUERIES).map(([route, parameters]) => [route, sorted(parameters)])),
    );
  });
});

/** The paths of all fields of a body: `lines`, `lines[0].sku`. */
function fieldsOf(
  document: OpenAPIObject,
  schema: Schema,
  prefix = '',
): { required: string[]; optional: string[] } {
  const found = { required: [] as string[], optional: [] as string[] };
  for (const [name, item] of Object.entries(schema.properties ?? {})) {
    const path = `${prefix}${name}`;
    // Without a reservationId: that either must be there is beyond what a schema says.
    const isLines = name === 'lines';
    (isLines || (schema.required ?? []).includes(name) ? found.required : found.optional).push(path);
    const { items } = resolve(document, item);
    if (items === undefined) continue;
    const inside = fieldsOf(document, resolve(document, items), `${path}[0].`);
    found.required.push(...inside.required);
    found.optional.push(...inside.optional);
  }
  return { required: found.required.sort(), optional: found.optional.sort() };
}

describe.each(fields)('$path of $route', ({ route, valid, path, bad, isRequired }) => {
  it.each(Object.entries(bad))('is refused: %s', async (_, value) => {
    const body = JSON.stringify(withField(valid, path, value));
    expectFieldRefused(await send(route, { body }), route, path);
  });

  if (isRequired) {
    it('is refused when it is missing', async () => {
      expectFieldRefused(await send(route, { body: JSON.stringify(withField(valid, path)) }), route, path);
    });
  }
});

describe('an item of a list', () => {
  it.each([
    ['lines[0]', [null]],
    ['lines[0]', ['TEA']],
    ['lines[0]', [5]],
    ['lines[0]', [true]],
    ['lines[0]', [[]]],
    ['lines[0]', [[LINE]]],
    ['lines[1]', [LINE, null]],
    ['lines[2]', [LINE, LINE, [LINE]]],
    ['lines[1].unknown', [LINE, { ...LINE, unknown: 1 }]],
    ['lines[0].sku.x', [{ sku: { constructor: 1 }, quantity: 1 }]],
  ])('is named by its place: %s of %j', async (path, lines) => {
    const answer = await send('POST /api/v1/orders', { body: JSON.stringify({ lines }) });
    expectInvalid(answer, path.replace('.x', '.constructor'));
  });

  it.each([null, 5, 'text', true])('of a bulk that is %j is named by its place', async (row) => {
    const body = JSON.stringify({ orders: [row] });
    const { results } = (await send('POST /api/v1/orders/bulk', { body })).body;
    expect(results).toMatchObject([{ index: 0, status: 400, error: { errors: [{ path: 'orders[0]' }] } }]);
  });
});

const NO_BODY: readonly [what: string, Partial<WireRequest>][] = [
  ['missing', {}],
  ['missing in spite of its type', { headers: { 'content-type': 'application/json' } }],
  ['empty', { body: '' }],
];

describe.each(bodyRoutes)('the body of $route', ({ route, valid, mayBeLeftOut }) => {
  const good = JSON.stringify(valid);
  const more = (member: string) => `${good.slice(0, -1)},${member}}`;
  const deep = (open: string, close: string) =>
    more(`"deep":${open.repeat(100_000)}1${close.repeat(100_000)}`);

  it.each<[what: string, path: string, body: string | Buffer]>([
    ['only blanks', 'body', ' \n '],
    ['null', 'body', 'null'],
    ['a number', 'body', '5'],
    ['a text', 'body', '"{}"'],
    ['true', 'body', 'true'],
    ['a list', 'body', `[${good}]`],
    ['a list of lists', 'body[0]', `[[${good}]]`],
    ['cut off', 'body', good.slice(0, -1)],
    ['followed by something', 'body', `${good}{}`],
    ['with a comma too many', 'body', `${good.slice(0, -1)},}`],
    ['with a comment', 'body', `/* order */${good}`],
    ['with NaN', 'body', more('"x":NaN')],
    ['with names without quotes', 'body', '{sku:1}'],
    ['with a raw control character', 'body', more('"x":"\u0007"')],
    ['not UTF-8', 'body', Buffer.from(more('"x":"\xff\xfe"'), 'latin1')],
    ['UTF-16', 'body', Buffer.from(good, 'utf16le')],
    ['with a field that nobody knows', 'unknown', more('"unknown":1')],
    ['with a field of another name of 3 MB', `${'n'.repeat(64)}…`, more(`"${'n'.repeat(3_000_000)}":1`)],
    ['with __proto__', '__proto__', more('"__proto__":{"isAdmin":true}')],
    ['with an escaped __proto__', '__proto__', more('"\\u005f_proto__":null')],
    ['with constructor', 'constructor', more('"constructor":{"prototype":{}}')],
    ['with prototype', 'prototype', more('"prototype":1')],
    ['with __proto__ further down', 'x[1].__proto__', more('"x":[0,{"__proto__":{}}]')],
    ['nested deeply in objects', 'deep.a.a.a.a.a.a.a.a.a', deep('{"a":', '}')],
    ['nested deeply in lists', 'deep[0]', deep('[', ']')],
  ])('is refused when it is %s', async (_, path, body) => {
    const answer = await send(route, { body });
    expectInvalid(answer, path);
    expect(answer.text.length).toBeLessThan(2_000);
  });

  it('that is nested deeply is refused with an Idempotency-Key as well', async () => {
    const answer = await send(route, { body: deep('{"a":', '}'), headers: { 'idempotency-key': 'deep' } });
    expectInvalid(answer, 'deep.a.a.a.a.a.a.a.a.a');
  });

  if (mayBeLeftOut !== true) {
    it.each(NO_BODY)('is refused when it is %s', async (_, nothing) => {
      expectInvalid(await send(route, nothing), 'body');
    });
  }

  it.each([
    'text/plain',
    'text/json',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/xml',
    'application/merge-patch+json',
    'application/jsonx',
    'json',
    '',
  ])('is refused as %j', async (type) => {
    expectProblem(
      await send(route, { body: good, headers: { 'content-type': type } }),
      415,
      'unsupported_media_type',
    );
  });

  it('is refused without a content type', async () => {
    const headers = { authorization: `Bearer ${daybook.tokens.operator}` };
    const [method = '', path = ''] = route.split(' ');
    const answer = await client.send({ method, path: fill(path), headers, body: good });
    expectProblem(answer, 415, 'unsupported_media_type');
  });

  it('is refused when it is of 10 MB', async () => {
    const answer = await send(route, { body: more(`"x":"${'x'.repeat(10_000_000)}"`) });
    expectProblem(answer, 413, 'payload_too_large');
  });
});

describe.each(BODILESS)('a body on %s, which takes none,', (route) => {
  it.each<[what: string, path: string, body: string | Buffer]>([
    ['null', 'body', 'null'],
    ['a number', 'body', '0'],
    ['a text', 'body', '""'],
    ['a list', 'body', '[]'],
    ['only blanks', 'body', ' '],
    ['cut off', 'body', '{'],
    ['not UTF-8', 'body', Buffer.from('{"x":"\xff"}', 'latin1')],
    ['a field that another route has', 'quantity', '{"quantity":1}'],
    ['__proto__', '__proto__', '{"__proto__":{}}'],
  ])('is refused when it is %s', async (_, path, body) => {
    expectInvalid(await send(route, { body }), path);
  });

  it('has every field named, up to 20, and long names shortened', async () => {
    const names = ['n'.repeat(1_000_000), ...Array.from({ length: 30 }, (_, index) => `x${index}`)];
    const body = JSON.stringify(Object.fromEntries(names.map((name) => [name, 1])));
    const answer = await send(route, { body });
    expectInvalid(answer, `${'n'.repeat(64)}…`, ...names.slice(1, 20));
    expect(answer.text.length).toBeLessThan(5_000);
  });

  it('is refused as anything but JSON', async () => {
    const answer = await send(route, { body: '{}', headers: { 'content-type': 'text/plain' } });
    expectProblem(answer, 415, 'unsupported_media_type');
  });
});

describe('a body with many bad fields', () => {
  it('has every one of them named, up to 20', async () => {
    const lines = Array.from({ length: 15 }, () => ({ sku: '', quantity: 0 }));
    const answer = await send('POST /api/v1/orders', { body: JSON.stringify({ lines, priority: 1 }) });
    const paths = expectProblem(answer, 400, 'validation_failed').errors?.map(({ path }) => path) ?? [];
    expect(paths).toHaveLength(20);
    expect(paths.slice(0, 3)).toEqual(['lines[0].sku', 'lines[0].quantity', 'lines[1].sku']);
  });

  it('is told of each what is most basically wrong with it', async () => {
    const body = JSON.stringify({
      lines: [{ sku: 5, quantity: 'x' }, { sku: '', quantity: 0 }, { quantity: 1e9 }],
    });
    const { errors } = expectProblem(await send('POST /api/v1/orders', { body }), 400, 'validation_failed');
    expect(errors).toEqual([
      { path: 'lines[0].sku', message: 'must be a string' },
      { path: 'lines[0].quantity', message: 'must be a whole number' },
      { path: 'lines[1].sku', message: 'must be 1 to 64 of A-Z a-z 0-9 . _ -' },
      { path: 'lines[1].quantity', message: 'must not be less than 1' },
      { path: 'lines[2].sku', message: 'must be a string' },
      { path: 'lines[2].quantity', message: 'must not be greater than 1000000' },
    ]);
  });
});

describe.each(Object.entries(QUERIES))('the query of %s', (route, parameters) => {
  const bad = Object.entries(parameters).flatMap(([name, values]) =>
    Object.entries(values).map(([what, value]) => ({ name, what, value })),
  );

  it.each(bad)('is refused when $name is $what', async ({ name, value }) => {
    expectInvalid(await send(route, { query: `?${name}=${value}` }), name);
  });

  const single = Object.keys(parameters).filter((name) => !REPEATABLE.includes(`${route} ${name}`));

  it.each(single)('is refused when %s is there twice', async (name) => {
    expectInvalid(await send(route, { query: `?${name}=1&${name}=1` }), name);
  });

  it.each([
    'unknown',
    'Limit',
    'limit[]',
    'limit.x',
    'offset',
    '__proto__',
    'constructor',
    'prototype',
    'toString',
  ])('is refused when it has %s', async (name) => {
    expectInvalid(await send(route, { query: `?${encodeURIComponent(name)}=1` }), name);
  });

  it.each<[what: string, cursor: string]>([
    ['nothing', ''],
    ['a word', 'abc'],
    ['a number', '1'],
    ['base64 of another alphabet', 'ab+/'],
    ['padded', 'YWJj%3D'],
    ['a NUL', '%00'],
    ['a forged one', Buffer.from(`${'\0'.repeat(20)}["A"]`).toString('base64url')],
    ['longer than any', 'A'.repeat(513)],
    ['very long', 'A'.repeat(8_000)],
  ])('is refused when cursor is %s', async (_, cursor) => {
    expectInvalid(await send(route, { query: `?cursor=${cursor}` }), 'cursor');
  });
});

describe('a cursor', () => {
  it('is refused when anything of it was changed, taken off or put on', async () => {
    const cursor = String((await daybook.api('GET', '/warehouses?limit=1')).body.nextCursor);
    expect((await daybook.api('GET', `/warehouses?cursor=${cursor}`)).status).toBe(200);
    const changed = Array.from(
      cursor,
      (letter, index) => `${cursor.slice(0, index)}${letter === 'A' ? 'B' : 'A'}${cursor.slice(index + 1)}`,
    );
    for (const bad of [
      ...changed,
      cursor.slice(0, -1),
      cursor.slice(1),
      `${cursor}A`,
      `${cursor}AAAA`,
      `${cursor}=`,
    ]) {
      expectInvalid(await daybook.api('GET', `/warehouses?cursor=${bad}`), 'cursor');
    }
  });
});

describe('a path', () => {
  const routes = [
    'GET /api/v1/products/{sku}',
    'GET /api/v1/products/{sku}/stock',
    'PATCH /api/v1/products/{sku}',
    'GET /api/v1/reservations/{id}',
    'POST /api/v1/reservations/{id}/extend',
    'POST /api/v1/reservations/{id}/release',
    'GET /api/v1/orders/{id}',
    'GET /api/v1/orders/{id}/status',
    'GET /api/v1/orders/{id}/transitions',
    'GET /api/v1/orders/{id}/audit',
    'PATCH /api/v1/orders/{id}',
    'GET /api/v1/exchange/orders/{id}',
    'GET /api/v1/exchange/orders/{id}/executions',
    'GET /api/v1/exchange/orders/{id}/transitions',
    'DELETE /api/v1/exchange/orders/{id}',
    'GET /api/v1/admin/jobs/{name}/runs',
    'POST /api/v1/admin/jobs/{name}/run',
    'GET /api/v1/admin/queues/{name}/dead',
    'POST /api/v1/admin/queues/{name}/pause',
    'POST /api/v1/admin/queues/{name}/resume',
    'POST /api/v1/admin/queues/{name}/drain',
    'POST /api/v1/admin/queues/{name}/redrive',
  ];
  const replaced = (route: string, value: string) => route.replace(/\{\w+\}/, value);
  const bodyOf = (route: string) => BODIES[route] && JSON.stringify(BODIES[route].valid);
  const sendTo = (route: string, value: string) => send(replaced(route, value), { body: bodyOf(route) });

  it('is tested with every parameter of the document', async () => {
    const documented = operationsOf(await servedDocument(daybook)).map(({ route }) => route);
    expect([...routes].sort()).toEqual(documented.filter((route) => route.includes('{')).sort());
  });

  describe.each(routes)('%s', (route) => {
    it.each([
      ['a NUL', '%00'],
      ['a NUL inside', 'TEA%00'],
      ['a line feed', '%0A'],
      ['an escape', '%1b'],
      ['a blank', '%20'],
      ['a slash', 'a%2Fb'],
      ['a way up', '..%2F..%2Fetc'],
      ['SQL', "'%20OR%20'1'='1"],
      ['an umlaut', 't%C3%A9'],
      ['an emoji', '%F0%9F%8D%B5'],
      ['a word', 'undefined'],
      ['a huge number', '9'.repeat(400)],
      ['a number without its day', '00001'],
      ['a number of a negative day', '-20261120-00001'],
      ['a number with a huge day', `${'9'.repeat(18)}-00001`],
      ['a number that is too short', '20261120-1'],
      ['a number with a prefix', 'X20261120-00001'],
      ['a UUID', '7d444840-9dc0-11d1-b245-5ffdce74fad2'],
      ['a UUID in capitals', '7D444840-9DC0-11D1-B245-5FFDCE74FAD2'],
      ['a UUID without dashes', '7d4448409dc011d1b2455ffdce74fad2'],
      ['a UUID in braces', '%7B7d444840-9dc0-11d1-b245-5ffdce74fad2%7D'],
      ['a UUID and a digit', '7d444840-9dc0-11d1-b245-5ffdce74fad20'],
      ['a word of every object', '__proto__'],
      ['a percent sign', '%25'],
    ])('finds nothing by %s', async (_, value) => {
      expectProblem(await sendTo(route, value), 404, 'not_found');
    });

    it.each([
      ['a lone percent sign', '%'],
      ['half an escape', '%2'],
      ['an escape that is none', '%zz'],
      ['a lone surrogate', '%ED%A0%80'],
      ['an overlong encoding', '%C0%AF'],
    ])('refuses %s', async (_, value) => {
      expectInvalid(await sendTo(route, value), 'request');
    });

    it('refuses one that is over-long', async () => {
      const answer = await sendTo(route, 'A'.repeat(2_000));
      expectProblem(answer, 414, 'validation_failed');
    });
  });
});

const changing = [...bodyRoutes, ...BODILESS.map((route) => ({ route, valid: undefined }))];

/** Sends what would be accepted, but for one header. */
function sendWith({ route, valid }: (typeof changing)[number], headers: Record<string, string>) {
  return send(route, { headers, body: valid && JSON.stringify(valid) });
}

/** The routes whose document has the header. */
async function routesWith(header: string): Promise<string[]> {
  const document = await servedDocument(daybook);
  const documented = operationsOf(document).filter(({ operation }) =>
    (operation.parameters ?? []).some((item) => resolve(document, item).name === header),
  );
  return documented.map(({ route }) => route).sort();
}

describe('the Idempotency-Key', () => {
  // Running a job twice is harmless by itself: the lease lets one at a time.
  const routes = changing.filter(({ route }) => /^POST (?!\/api\/v1\/admin\/)/.test(route));

  it('is tested on every route that has it', async () => {
    expect(routes.map(({ route }) => route).sort()).toEqual(await routesWith('Idempotency-Key'));
  });

  describe.each(routes)('of $route', (row) => {
    it.each([
      ['empty', ''],
      ['blank', '   '],
      ['empty in quotes', '""'],
      ['of 256 characters', 'k'.repeat(256)],
      ['of 256 characters in quotes', `"${'k'.repeat(256)}"`],
      ['a tab', 'a\tb'],
      ['a letter beyond ASCII', 'clé'],
      ['bytes of an emoji', '\u00f0\u009f\u008d\u00b5'],
    ])('is refused when it is %s', async (_, key) => {
      expectInvalid(await sendWith(row, { 'idempotency-key': key }), 'Idempotency-Key');
    });
  });
});

describe('If-Match', () => {
  const routes = changing.filter(({ route }) => /^(PATCH|DELETE)|reservations\/\{id\}/.test(route));

  it('is tested on every route that has it', async () => {
    expect(routes.map(({ route }) => route).sort()).toEqual(await routesWith('If-Match'));
  });

  describe.each(routes)('of $route', (row) => {
    it.each([
      '',
      '1',
      'W/1',
      '""',
      '"x"',
      '"1"x',
      '"1.0"',
      '"-1"',
      '"1", "2"',
      "'1'",
      '"99999999999"',
      '"1e3"',
      '**',
    ])('is refused when it is %j', async (tag) => {
      expectInvalid(await sendWith(row, { 'if-match': tag }), 'If-Match');
    });

    it('of another version is refused, with the version that it is at', async () => {
      // An exchange order has come to its second one when the venue has it.
      const currentVersion = row.route.includes('/exchange/') ? 2 : 1;
      const answer = await sendWith(row, { 'if-match': `"${currentVersion + 1}"` });
      expect(expectProblem(answer, 412, 'version_conflict')).toMatchObject({ currentVersion });
    });
  });
});

describe('Last-Event-ID', () => {
  const route = 'GET /api/v1/events';
  const expectBadId = async (id: string, accept: string) =>
    expectInvalid(await send(route, { headers: { 'last-event-id': id, accept } }), 'Last-Event-ID');

  it('is tested on every route that has it', async () => {
    expect(await routesWith('Last-Event-ID')).toEqual([route]);
  });

  it.each(['', 'last', '-1', '1.0', '0x10', '1,2', '9223372036854775808', '0'.repeat(20), '\u00b2'])(
    'is refused when it is %j',
    async (id) => {
      await expectBadId(id, 'application/json');
      await expectBadId(id, 'text/event-stream');
    },
  );
});

describe('all of this', () => {
  it('changed nothing', async () => {
    expect(await everything()).toEqual(before);
  });

  it.each(changing)('started from what $route accepts', async (row) => {
    const { status, text: answer } = await sendWith(row, {});
    expect({ accepted: [200, 201, 202].includes(status), answer }).toEqual({ accepted: true, answer });
    expect(answer).not.toContain('"error":{');
  });

  describe.each(bodyRoutes.filter(({ mayBeLeftOut }) => mayBeLeftOut))('the body of $route', ({ route }) => {
    it.each(NO_BODY)('may be %s', async (_, nothing) => {
      expect((await send(route, nothing)).status).toBe(200);
    });
  });

  it.each(['', '{}', ' {\n} '])('took %j for no body', async (body) => {
    const { id } = (await daybook.api('POST', '/reservations', { body: { lines: [LINE] } })).body;
    const route = `POST /api/v1/reservations/${id}/release`;
    const headers = { 'content-type': 'application/json' };
    expect((await send(route, { body, headers })).body).toMatchObject({ status: 'released' });
  });
});
