import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import {
  type AddressInfo,
  createServer as createTcpServer,
  type Server as TcpServer,
  type Socket,
} from 'node:net';
import { text } from 'node:stream/consumers';

import { exchangeOrder, exchangeOrders } from '../../../../test/support/exchange-order.js';
import type { ExchangeOrder } from '../exchange-order.entity.js';
import { waitFor } from '../../../../test/support/wait-for.js';
import { RestGateway } from './rest-gateway.js';

interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

type Answer = (response: ServerResponse, received: Received) => void;

const answer =
  (status: number, body = '', headers: Readonly<Record<string, string>> = {}): Answer =>
  (response) =>
    response.writeHead(status, headers).end(body);
const silence: Answer = () => undefined;

/** A venue that does what a test wants, good or bad. */
class StrangeVenue {
  readonly received: Received[] = [];
  readonly sockets = new Set<Socket>();
  opened = 0;
  answer: Answer = answer(201);
  private readonly server: Server;

  constructor() {
    this.server = createServer((request, response) => void this.receive(request, response));
    this.server.on('connection', (socket) => {
      this.opened += 1;
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
  }

  async start(): Promise<this> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return this;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    if (!this.server.listening) return;
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  private async receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request;
    const received = { method, path: url, headers, body: await text(request) };
    this.received.push(received);
    this.answer(response, received);
  }
}

let venue: StrangeVenue;
let gateway: RestGateway;
beforeEach(async () => {
  venue = await new StrangeVenue().start();
  gateway = gatewayTo(venue.url);
});
afterEach(async () => {
  await gateway.close();
  await venue.stop();
});

function gatewayTo(url: string, options: { token?: string; connections?: number } = {}): RestGateway {
  return new RestGateway({ venue: 'XSIM', url, connections: 4, ...options });
}

const inTime = () => AbortSignal.timeout(20_000);
const REQUESTS = ['place', 'cancel', 'find'] as const;

describe('what is sent', () => {
  it('is the order, by its own names', async () => {
    await gateway.place(exchangeOrder(), inTime());
    const limit = exchangeOrder({
      clientOrderId: 'mine',
      type: 'limit',
      side: 'sell',
      limitPriceCents: 1_234,
    });
    await gateway.place(limit, inTime());
    const common = {
      clOrdId: 'X20261121-00001',
      account: 'customer-7',
      instrument: 'DE0007164600',
      quantity: 100,
    };
    expect(venue.received.map(({ method, path, body }) => [method, path, JSON.parse(body)])).toEqual([
      ['POST', '/orders', { ...common, side: 'buy', type: 'market' }],
      [
        'POST',
        '/orders',
        { ...common, clientOrderId: 'mine', side: 'sell', type: 'limit', limitPriceCents: 1_234 },
      ],
    ]);
    expect(venue.received[0]?.headers).toMatchObject({
      'content-type': 'application/json',
      'user-agent': 'daybook',
    });
    expect(venue.received[0]?.headers).not.toHaveProperty('authorization');
  });

  it.each(['', '/', '/venues/7', '/venues/7/'])(
    'goes below the address, whatever its path (%p)',
    async (path) => {
      const below = gatewayTo(`${venue.url}${path}?a=b`, { token: 'open sesame' });
      await below.find(exchangeOrder(), inTime());
      await below.cancel(exchangeOrder(), inTime());
      const prefix = path.replace(/\/$/, '');
      expect(
        venue.received.map((received) => `${received.method} ${received.path} ${received.body}`),
      ).toEqual([`GET ${prefix}/orders/X20261121-00001 `, `DELETE ${prefix}/orders/X20261121-00001 `]);
      expect(venue.received[0]?.headers['authorization']).toBe('Bearer open sesame');
      await below.close();
    },
  );
});

describe('a venue that cannot be reached', () => {
  it.each(REQUESTS)('because nobody listens is unavailable (%s)', async (request) => {
    const { url } = venue;
    await venue.stop();
    expect(await gatewayTo(url)[request](exchangeOrder(), inTime())).toEqual({
      kind: 'unavailable',
      reason: 'The venue could not be reached: ECONNREFUSED',
    });
  });

  it('because it has no address is unavailable', async () => {
    const nowhere = gatewayTo('http://venue.invalid');
    expect(await nowhere.place(exchangeOrder(), inTime())).toMatchObject({ kind: 'unavailable' });
    await nowhere.close();
  });

  it.each([0, 1, 2, 3, 5, 20])(
    'in time is unavailable, and never gets it (%d turns later)',
    async (turns) => {
      const narrow = gatewayTo(venue.url, { connections: 1 });
      const [late, next] = exchangeOrders(2) as [ExchangeOrder, ExchangeOrder];
      const stop = new AbortController();
      const outcome = narrow.place(late, stop.signal);
      // Not long enough for a connection.
      for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
      stop.abort();
      expect(await outcome).toMatchObject({ kind: 'unavailable' });
      expect(await narrow.place(next, inTime())).toEqual({ kind: 'accepted' });
      expect(venue.received.map(({ body }) => (JSON.parse(body) as { clOrdId: string }).clOrdId)).toEqual([
        next.id,
      ]);
      await narrow.close();
    },
  );

  it('because all connections are taken is unavailable, and those are left alone', async () => {
    const narrow = gatewayTo(venue.url, { connections: 1 });
    const responses: ServerResponse[] = [];
    venue.answer = (response) => void responses.push(response);
    const [first, second, third] = exchangeOrders(3).map((order, index) => {
      const stop = new AbortController();
      const outcome = narrow.place(order, index === 1 ? stop.signal : inTime());
      return { outcome, stop };
    });
    await waitFor('the first', () => responses.length === 1);
    second?.stop.abort();
    expect(await second?.outcome).toMatchObject({ kind: 'unavailable' });
    responses[0]?.writeHead(201).end();
    expect(await first?.outcome).toEqual({ kind: 'accepted' });
    await waitFor('the third', () => responses.length === 2);
    responses[1]?.writeHead(201).end();
    expect(await third?.outcome).toEqual({ kind: 'accepted' });
    expect(venue.received.map(({ body }) => (JSON.parse(body) as { clOrdId: string }).clOrdId)).toEqual([
      'X20261121-00001',
      'X20261121-00003',
    ]);
    expect(venue.opened).toBe(1);
    await narrow.close();
  });
});

describe('a venue that does not answer', () => {
  it.each(REQUESTS)('leaves it unknown what became of it (%s)', async (request) => {
    venue.answer = silence;
    const stop = new AbortController();
    const outcome = gateway[request](exchangeOrder(), stop.signal);
    await waitFor('the request', () => venue.received.length === 1);
    stop.abort();
    expect(await outcome).toEqual({ kind: 'unknown', reason: 'The venue gave no answer: no answer in time' });
    await waitFor('the connection to be closed', () => venue.sockets.size === 0);
  });

  it.each<[string, Answer, string]>([
    ['resets the connection', (response) => response.socket?.resetAndDestroy(), 'ECONNRESET'],
    ['closes the connection', (response) => response.socket?.end(), 'UND_ERR_SOCKET'],
  ])('but %s leaves it unknown', async (_, behave, code) => {
    venue.answer = behave;
    expect(await gateway.place(exchangeOrder(), inTime())).toEqual({
      kind: 'unknown',
      reason: `The venue gave no answer: ${code}`,
    });
    expect(venue.received).toHaveLength(1);
  });

  it('but that something is going on leaves it unknown', async () => {
    venue.answer = (response) => response.writeProcessing(() => response.socket?.resetAndDestroy());
    const outcome = await gateway.place(exchangeOrder(), inTime());
    expect(outcome).toEqual({ kind: 'unknown', reason: 'The venue gave no answer: ECONNRESET' });
  });

  it('before the gateway is closed leaves it unknown', async () => {
    venue.answer = silence;
    const outcome = gateway.place(exchangeOrder(), inTime());
    await waitFor('the request', () => venue.received.length === 1);
    await gateway.close();
    expect(await outcome).toMatchObject({ kind: 'unknown' });
    expect(await gateway.place(exchangeOrder(), inTime())).toMatchObject({ kind: 'unavailable' });
  });
});

describe('an answer to a placement', () => {
  it.each([200, 202, 204, 400, 403, 404, 409, 413, 422, 429, 500, 502, 504])(
    'of %i means that nobody knows',
    async (status) => {
      venue.answer = answer(status, status === 204 ? '' : '{"error":"Oh\\u0007 dear"}');
      expect(await gateway.place(exchangeOrder(), inTime())).toEqual({
        kind: 'unknown',
        reason: `The venue answered ${status}${status === 204 ? '' : ': Oh dear'}`,
      });
    },
  );

  it.each([301, 302, 303, 307, 308])('of %i is not followed to another place', async (status) => {
    const elsewhere = await new StrangeVenue().start();
    venue.answer = answer(status, '', { location: `${elsewhere.url}/orders` });
    expect(await gateway.place(exchangeOrder(), inTime())).toMatchObject({ kind: 'unknown' });
    expect(elsewhere.received).toEqual([]);
    await elsewhere.stop();
  });

  it.each([401, 503])('of %i means that nothing was taken, if the venue says so', async (status) => {
    venue.answer = answer(status, '{"code":"not_taken","error":"Closed"}');
    const reason = `The venue answered ${status}: Closed`;
    expect(await gateway.place(exchangeOrder(), inTime())).toEqual({ kind: 'unavailable', reason });
  });

  it.each(['', '<html>', '{"error":"No upstream"}', '{"code":"unavailable"}'])(
    'of 401 or 503 from a proxy means that nobody knows (%s)',
    async (body) => {
      for (const status of [401, 503]) {
        venue.answer = answer(status, body);
        expect(await gateway.place(exchangeOrder(), inTime())).toMatchObject({ kind: 'unknown' });
      }
    },
  );

  it.each([400, 403, 413, 422])('of %i is a refusal, if the venue says so', async (status) => {
    venue.answer = answer(status, '{"code":"refused","reason":"The quantity is too large"}');
    const refusal = { kind: 'refused', reason: 'The quantity is too large' };
    expect(await gateway.place(exchangeOrder(), inTime())).toEqual(refusal);
  });

  it.each([
    ['what it is', '{"code":"refused","reason":"No \\u202e such\\ninstrument"}', 'No such instrument'],
    ['shortened', JSON.stringify({ code: 'refused', reason: 'x'.repeat(5_000) }), 'x'.repeat(300)],
    ['without one', '{"code":"refused","reason":""}', 'The venue gave no reason'],
    ['without a text', '{"code":"refused","reason":7}', 'The venue gave no reason'],
  ])('of 422 is a refusal, its reason told (%s)', async (_, body, reason) => {
    venue.answer = answer(422, body);
    expect(await gateway.place(exchangeOrder(), inTime())).toEqual({ kind: 'refused', reason });
  });

  it.each([
    ['without an object', '"no"'],
    ['without JSON', 'go away'],
    ['without a body', ''],
    ['far too long', JSON.stringify({ code: 'refused', more: 'x'.repeat(100_000) })],
  ])('of 422 means that nobody knows when it comes without the word (%s)', async (_, body) => {
    venue.answer = answer(422, body);
    expect(await gateway.place(exchangeOrder(), inTime())).toMatchObject({ kind: 'unknown' });
  });

  it('of 201 counts whatever its body', async () => {
    venue.answer = answer(201, '\u0000garbage');
    expect(await gateway.place(exchangeOrder(), inTime())).toEqual({ kind: 'accepted' });
  });

  it.each<[number, string]>([
    [201, 'accepted'],
    [422, 'unknown'],
    [500, 'unknown'],
  ])('of %i counts although its body never ends', async (status, kind) => {
    venue.answer = (response) => response.writeHead(status).write('{');
    const stop = new AbortController();
    const outcome = gateway.place(exchangeOrder(), stop.signal);
    await waitFor('the request', () => venue.received.length === 1);
    venue.answer = answer(200);
    // Headers that are sent before this second answer have come before it.
    await gateway.find(exchangeOrder(), inTime());
    stop.abort();
    expect(await outcome).toMatchObject({ kind });
  });

  it('that comes in time but late, after others that are none, counts', async () => {
    const responses: ServerResponse[] = [];
    venue.answer = (response) => {
      response.writeProcessing();
      responses.push(response);
    };
    const outcome = gateway.place(exchangeOrder(), inTime());
    (await waitFor('the request', () => responses[0])).writeHead(201).end();
    expect(await outcome).toEqual({ kind: 'accepted' });
  });
});

describe('an answer to a question', () => {
  const id = 'X20261121-00001';

  it.each<[string, object, object]>([
    ['found', { clOrdId: id, status: 'new' }, { kind: 'found' }],
    ['found, in whatever state', { clOrdId: id, status: 'on the moon' }, { kind: 'found' }],
    ['refused', { clOrdId: id, status: 'rejected', reason: 'No' }, { kind: 'refused', reason: 'No' }],
  ])('that is good is believed: %s', async (_, body, finding) => {
    venue.answer = answer(200, JSON.stringify(body));
    expect(await gateway.find(exchangeOrder(), inTime())).toEqual(finding);
  });

  it.each<[string, string]>([
    ['of another order', JSON.stringify({ clOrdId: 'X20261121-00002', status: 'new' })],
    ['without a status', JSON.stringify({ clOrdId: id })],
    ['that is a list', '[]'],
    ['that is no JSON', '<html>'],
    ['without a body', ''],
    ['far too long', JSON.stringify({ clOrdId: id, status: 'new', more: 'x'.repeat(100_000) })],
  ])('%s tells nothing', async (_, body) => {
    venue.answer = answer(200, body);
    expect(await gateway.find(exchangeOrder(), inTime())).toMatchObject({ kind: 'unknown' });
  });

  it.each<[number, object, string]>([
    [404, { code: 'unseen', clOrdId: id }, 'unseen'],
    [404, { code: 'unseen', clOrdId: 'X20261121-00002' }, 'unknown'],
    [404, { code: 'unseen' }, 'unknown'],
    [404, { error: 'No such route' }, 'unknown'],
    [404, {}, 'unknown'],
    [202, {}, 'unknown'],
    [301, {}, 'unknown'],
    [500, {}, 'unknown'],
    [401, { code: 'not_taken' }, 'unavailable'],
    [503, { code: 'not_taken' }, 'unavailable'],
    [401, {}, 'unknown'],
    [503, {}, 'unknown'],
  ])('of %i %j means %s, to a cancel too unless it is 202', async (status, body, kind) => {
    venue.answer = answer(status, JSON.stringify(body));
    expect(await gateway.find(exchangeOrder(), inTime())).toMatchObject({ kind });
    const expected = status === 202 ? 'requested' : kind;
    expect(await gateway.cancel(exchangeOrder(), inTime())).toMatchObject({ kind: expected });
  });
});

describe('a server that is no HTTP server', () => {
  let server: TcpServer;
  const sockets = new Set<Socket>();
  let reply: string;

  beforeEach(async () => {
    server = createTcpServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => sockets.delete(socket));
      socket.on('data', () => socket.write(reply));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterEach(async () => {
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  });

  const address = (protocol: string) => `${protocol}://127.0.0.1:${(server.address() as AddressInfo).port}`;

  it('is unavailable as long as no secure connection is made', async () => {
    reply = '';
    const secure = gatewayTo(address('https'));
    const stop = new AbortController();
    const outcome = secure.place(exchangeOrder(), stop.signal);
    await waitFor('a connection', () => sockets.size === 1);
    stop.abort();
    expect(await outcome).toMatchObject({ kind: 'unavailable' });
    await secure.close();
  });

  it.each([
    ['nonsense', 'GUTEN TAG\r\n\r\n'],
    ['a switch to another protocol', 'HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'],
    ['headers without an end', `HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(20_000)}`],
  ])('and answers %s leaves it unknown', async (_, nonsense) => {
    reply = nonsense;
    const odd = gatewayTo(address('http'));
    expect(await odd.place(exchangeOrder(), inTime())).toMatchObject({ kind: 'unknown' });
    await waitFor('the connection to be closed', () => sockets.size === 0);
    await odd.close();
  });
});

describe('connections', () => {
  it('are never more than there may be, and are kept for the next', async () => {
    const orders = exchangeOrders(40);
    await Promise.all(orders.map((order) => gateway.place(order, inTime())));
    await Promise.all(orders.map((order) => gateway.place(order, inTime())));
    expect(venue.received).toHaveLength(80);
    expect(venue.opened).toBeGreaterThan(1);
    expect(venue.opened).toBeLessThanOrEqual(4);
  });
});
