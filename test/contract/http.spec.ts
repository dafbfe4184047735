import { connect } from 'node:net';

import { Readiness } from '@daybook/platform';

import { startTestApp, type TestApp } from '../support/app.js';
import { expectProblem } from '../support/problem.js';
import { waitFor } from '../support/wait-for.js';
import { exchange, readResponse, WireClient } from './http-client.js';

let daybook: TestApp;
let client: WireClient;

beforeAll(async () => {
  daybook = await startTestApp();
  client = new WireClient(daybook.origin, 1);
  await daybook.createProduct('TEA', 1000);
});
afterAll(async () => {
  client.close();
  await daybook.stop();
});

const authorization = () => `Bearer ${daybook.tokens.operator}`;
const send = (method: string, path: string, headers: Record<string, string> = {}) =>
  client.send({ method, path, headers: { authorization: authorization(), ...headers } });
const order = JSON.stringify({ lines: [{ sku: 'TEA', quantity: 1 }] });
const countOrders = async () => (await daybook.database.query('SELECT FROM orders')).length;

/** The text of a request, with `Host` and a token. */
const written = (startLine: string, fields: string[] = [], body = '') =>
  [startLine, 'Host: daybook', `Authorization: ${authorization()}`, ...fields, '', body].join('\r\n');

describe('what is not HTTP', () => {
  const posted = (...fields: string[]) =>
    written('POST /api/v1/orders HTTP/1.1', ['Content-Type: application/json', ...fields], order);

  it.each<[what: string, bytes: () => string | Buffer, status: number]>([
    ['bytes of something else', () => Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3, 13, 10, 13, 10]), 400],
    ['a greeting', () => 'HELO daybook\r\n\r\n', 400],
    ['an unknown method', () => written('BREW /api/v1/orders HTTP/1.1'), 400],
    ['an unknown version', () => written('GET /api/v1/orders HTTP/9.9'), 400],
    ['a blank in the path', () => written('GET /api/v1/or ders HTTP/1.1'), 400],
    ['a control character in the path', () => written('GET /api/v1/\u0001 HTTP/1.1'), 400],
    [
      'a control character in a header',
      () => written('GET /api/v1/orders HTTP/1.1', ['X-Odd: a\u0001b']),
      400,
    ],
    [
      'a NUL in the Idempotency-Key',
      () => posted('Idempotency-Key: a\0b', `Content-Length: ${order.length}`),
      400,
    ],
    ['a header without a colon', () => written('GET /api/v1/orders HTTP/1.1', ['nonsense']), 400],
    ['a length that is no number', () => posted('Content-Length: ten'), 400],
    ['a negative length', () => posted('Content-Length: -1'), 400],
    ['two lengths', () => posted('Content-Length: 5', 'Content-Length: 6'), 400],
    [
      'a length and chunks',
      () => posted('Transfer-Encoding: chunked', `Content-Length: ${order.length}`),
      400,
    ],
    ['a chunk whose size is no number', () => posted('Transfer-Encoding: chunked'), 400],
    [
      'a header of 20 kB',
      () => written('GET /api/v1/orders HTTP/1.1', [`X-Long: ${'x'.repeat(20_000)}`]),
      431,
    ],
    ['a path of 20 kB', () => written(`GET /api/v1/orders/${'x'.repeat(20_000)} HTTP/1.1`), 431],
    [
      '5,000 headers',
      () =>
        written(
          'GET / HTTP/1.1',
          Array.from({ length: 5_000 }, (_, n) => `X-${n}: 1`),
        ),
      431,
    ],
  ])('is answered with problem details and closed: %s', async (_, bytes, status) => {
    const before = await countOrders();
    const answer = readResponse(await exchange(daybook.origin, bytes()));
    expectProblem(answer, status, 'validation_failed');
    expect(answer.headers.get('connection')?.trim()).toBe('close');
    expect(Number(answer.headers.get('content-length'))).toBe(answer.text.length);
    expect(await countOrders()).toBe(before);
    expect((await send('GET', '/health/live')).status).toBe(200);
  });

  it('is let go of when the client has seen the answer and stays all the same', async () => {
    const { hostname, port } = new URL(daybook.origin);
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    try {
      socket.on('error', () => undefined);
      socket.resume().write('HELO\r\n\r\n');
      await waitFor('the end of the answer', () => socket.readableEnded);
      // Writing to a connection that the server has dropped ends it; on one that it keeps, nothing would happen.
      await waitFor('the server to let go', () => {
        if (!socket.destroyed) socket.write('x');
        return socket.destroyed;
      });
      expect((await send('GET', '/health/live')).status).toBe(200);
    } finally {
      socket.destroy();
    }
  });
});

describe('a client that vanishes', () => {
  const countConnections = () =>
    new Promise<number>((resolve, reject) =>
      daybook.app
        .getHttpServer()
        .getConnections((error: Error | null, count: number) => (error ? reject(error) : resolve(count))),
    );

  it.each([
    ['in the middle of the headers', () => 'POST /api/v1/orders HTTP/1.1\r\nHost: day'],
    [
      'in the middle of the body',
      () =>
        `${written('POST /api/v1/orders HTTP/1.1', ['Content-Type: application/json', 'Content-Length: 900'])}{"lines":[`,
    ],
    [
      'in the middle of a chunk',
      () =>
        `${written('POST /api/v1/orders HTTP/1.1', ['Content-Type: application/json', 'Transfer-Encoding: chunked'])}ff\r\n{"li`,
    ],
  ])('%s leaves a server that goes on, and no order', async (_, text) => {
    const before = await countOrders();
    const connections = await countConnections();
    const { hostname, port } = new URL(daybook.origin);
    const socket = connect(Number(port), hostname);
    await new Promise<void>((resolve) => socket.write(text(), () => resolve()));
    socket.destroy();
    await waitFor('the server to notice', async () => (await countConnections()) <= connections);
    expect((await send('GET', '/health/ready')).status).toBe(200);
    expect(await countOrders()).toBe(before);
  });
});

describe('a connection', () => {
  it('is kept after a refusal', async () => {
    const [refused, accepted] = await Promise.all([
      client.send({
        method: 'POST',
        path: '/api/v1/orders',
        headers: { authorization: authorization(), 'content-type': 'application/json' },
        body: '{"lines":[]}',
      }),
      send('GET', '/api/v1/orders'),
    ]);
    expectProblem(refused, 400, 'validation_failed');
    expect(refused.headers.get('connection')).toBe('keep-alive');
    expect(accepted.status).toBe(200);
  });

  it('on which requests come before the answers to those ahead is answered in their order', async () => {
    const requests = ['/health/live', '/api/v1/nothing', '/api/v1/warehouses'].map((path) =>
      written(`GET ${path} HTTP/1.1`),
    );
    const closing = written('GET /health/ready HTTP/1.1', ['Connection: close']);
    const text = await exchange(daybook.origin, [...requests, closing].join(''));
    const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
    expect(statuses).toEqual([200, 404, 200, 200]);
  });
});

describe('X-Request-Id', () => {
  it.each(['req-1', 'x'.repeat(128), '{"a":1}', '!~'])('is taken as it is: %s', async (id) => {
    expect(
      (await send('GET', '/api/v1/warehouses', { 'x-request-id': id })).headers.get('x-request-id'),
    ).toBe(id);
    const refused = await send('GET', '/api/v1/nothing', { 'x-request-id': id });
    expect(expectProblem(refused, 404, 'not_found').requestId).toBe(id);
  });

  it.each(['', 'x'.repeat(129), 'two words', 'a\tb', 'clé', 'a, b'])(
    'is made anew when it is %j',
    async (id) => {
      const given = (await send('GET', '/api/v1/warehouses', { 'x-request-id': id })).headers.get(
        'x-request-id',
      );
      expect(given).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    },
  );

  it('is another for each request that brings none', async () => {
    const answers = await Promise.all(Array.from({ length: 5 }, () => send('GET', '/health/live')));
    expect(new Set(answers.map(({ headers }) => headers.get('x-request-id'))).size).toBe(5);
  });

  it('is on every kind of answer', async () => {
    const answers = [
      await send('GET', '/docs'),
      await send('GET', '/openapi.json'),
      await send('GET', '/nothing'),
      await send('GET', '/api/v1/orders', { authorization: '' }),
      await send('GET', '/api/v1/orders/%'),
      await send('GET', `/api/v1/orders/${'x'.repeat(1_000)}`),
    ];
    for (const { headers } of answers) expect(headers.get('x-request-id')).toMatch(/\S/);
  });
});

describe('Authorization', () => {
  const token = () => daybook.tokens.operator;

  it.each<[string, () => string]>([
    ['Bearer', () => `Bearer ${token()}`],
    ['bearer in any case', () => `bEARER ${token()}`],
    ['more blanks than needed', () => `Bearer    ${token()}  `],
  ])('lets in by %s', async (_, header) => {
    expect((await send('GET', '/api/v1/orders', { authorization: header() })).status).toBe(200);
  });

  it.each<[string, () => string]>([
    ['nothing', () => ''],
    ['no token', () => 'Bearer'],
    ['a blank for a token', () => 'Bearer '],
    ['no scheme', token],
    ['another scheme', () => `Basic ${token()}`],
    ['a password', () => 'Basic YWRtaW46YWRtaW4='],
    ['two tokens', () => `Bearer ${token()} ${token()}`],
    ['two tokens in a list', () => `Bearer ${token()}, Bearer ${token()}`],
    ['a token in quotes', () => `Bearer "${token()}"`],
    ['a token that is very long', () => `Bearer ${'a'.repeat(8_000)}`],
  ])('does not let in by %s', async (_, header) => {
    const refused = await send('GET', '/api/v1/orders', { authorization: header() });
    expectProblem(refused, 401, 'unauthenticated');
    expect(refused.headers.get('www-authenticate')).toBe('Bearer');
  });

  it('is not taken from the query or a cookie, where logs and other sites would see it', async () => {
    const answers = [
      await client.send({ method: 'GET', path: `/api/v1/orders?access_token=${token()}` }),
      await client.send({
        method: 'GET',
        path: '/api/v1/orders',
        headers: { cookie: `authorization=${token()}` },
      }),
    ];
    for (const answer of answers) expectProblem(answer, 401, 'unauthenticated');
  });
});

describe('the method and the path', () => {
  it.each(['PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE'])(
    'are one: %s of a list is not found',
    async (method) => {
      expectProblem(await send(method, '/api/v1/orders'), 404, 'not_found');
    },
  );

  it.each([
    '/api/v1/orders/',
    '/api/v1//orders',
    '/API/v1/orders',
    '/api/v1/Orders',
    '/orders',
    '/api/orders',
    '//',
    '/api/v1/orders;a=1',
  ])('are as they are written: %s is not found', async (path) => {
    expectProblem(await send('GET', path), 404, 'not_found');
  });

  it('HEAD answers as GET does, without the body', async () => {
    const got = await send('GET', '/api/v1/products/TEA');
    const head = await send('HEAD', '/api/v1/products/TEA');
    expect({ status: head.status, text: head.text }).toEqual({ status: 200, text: '' });
    for (const name of ['etag', 'content-type', 'content-length']) {
      expect(head.headers.get(name)).toBe(got.headers.get(name));
    }
  });
});

describe('a body', () => {
  it.each([
    ['with a charset', 'application/json; charset=utf-8', order],
    ['of another capitalisation', 'Application/JSON', order],
    ['with a byte order mark', 'application/json', `\ufeff${order}`],
    ['with blanks around it', 'application/json', ` \r\n\t${order}\n`],
  ])('is read %s', async (_, type, body) => {
    const headers = { authorization: authorization(), 'content-type': type };
    expect((await client.send({ method: 'POST', path: '/api/v1/orders', headers, body })).status).toBe(201);
  });

  it('is read in chunks, also when they cut a character in two', async () => {
    const bytes = Buffer.from(
      JSON.stringify({ lines: [{ sku: 'TEA', quantity: 1 }], clientOrderId: 'Grüße' }),
    );
    const chunks = [...bytes].map((byte) =>
      Buffer.concat([Buffer.from('1\r\n'), Buffer.from([byte]), Buffer.from('\r\n')]),
    );
    const head = written('POST /api/v1/orders HTTP/1.1', [
      'Content-Type: application/json',
      'Transfer-Encoding: chunked',
      'Connection: close',
    ]);
    const all = Buffer.concat([Buffer.from(head), ...chunks, Buffer.from('0\r\n\r\n')]);
    expect(readResponse(await exchange(daybook.origin, all))).toMatchObject({
      status: 201,
      body: { clientOrderId: 'Grüße' },
    });
  });

  it.each(['known', 'unknown'])(
    'that is too large is refused after it was read, its length %s beforehand',
    async (length) => {
      const body = Buffer.alloc(10_000_000, ' ');
      const headers = {
        authorization: authorization(),
        'content-type': 'application/json',
        ...(length === 'unknown' && { 'transfer-encoding': 'chunked' }),
      };
      for (let round = 0; round < 5; round += 1) {
        const answer = await client.send({ method: 'POST', path: '/api/v1/orders', headers, body });
        expectProblem(answer, 413, 'payload_too_large');
      }
    },
  );

  it('that is too large is not answered before it has arrived: its sender would see a reset, not the answer', async () => {
    const { hostname, port } = new URL(daybook.origin);
    const socket = connect(Number(port), hostname);
    try {
      const answer = new Promise<string>((resolve, reject) => {
        socket.once('data', (chunk) => resolve(chunk.toString())).once('error', reject);
      });
      const isAnswered = () =>
        Promise.race([answer.then(() => true), send('GET', '/health/live').then(() => false)]);
      const fields = ['Content-Type: application/json', 'Content-Length: 20000000'];
      const head = written('POST /api/v1/orders HTTP/1.1', fields);
      await new Promise((resolve) => socket.write(`${head}${' '.repeat(19_999_999)}`, resolve));
      expect(await isAnswered()).toBe(false);
      socket.write(' ');
      expect(await answer).toMatch(/^HTTP\/1\.1 413 /);
    } finally {
      socket.destroy();
    }
  });

  it('of the largest bulk is not too large', async () => {
    const sku = await daybook.createProduct('S'.repeat(64), 0);
    const lines = Array.from({ length: 100 }, () => ({ sku, quantity: 1_000_000 }));
    const name = (length: number) => '\u4e00'.repeat(length);
    const texts = {
      clientOrderId: name(64),
      customerId: name(255),
      idempotencyKey: name(255),
      priority: 'normal',
    };
    const orders = Array.from({ length: 500 }, () => ({ lines, ...texts, processingTimeMs: 600_000 }));
    const { status, body } = await daybook.api('POST', '/orders/bulk', { body: { orders } });
    expect(status).toBe(200);
    expect(new Set(body.results.map((row: { status: number }) => row.status))).toEqual(new Set([409]));
  });
});

describe('a server that is stopping', () => {
  it('says so to load balancers, still answers, and asks for the connection to be closed', async () => {
    const readiness = daybook.app.get(Readiness);
    readiness.isStopping = true;
    try {
      expectProblem(await send('GET', '/health/ready'), 503, 'overloaded');
      expect((await send('GET', '/health/live')).status).toBe(200);
      const answer = await send('GET', '/api/v1/warehouses');
      expect(answer.status).toBe(200);
      expect(answer.headers.get('connection')).toBe('close');
    } finally {
      readiness.isStopping = false;
    }
  });
});
