import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

import type { Order } from '@daybook/orders';

import { answer, FulfilmentService, silence } from '../../../../test/support/fulfilment-service.js';
import {
  describeOrderProcessor,
  type Fate,
  type ProcessorUnderTest,
} from '../../../../test/support/order-processor-conformance.js';
import { processingOrder, processingOrders } from '../../../../test/support/processing-order.js';
import { waitFor } from '../../../../test/support/wait-for.js';
import { ProcessingRefused } from '../order-processor.js';
import { HttpProcessor } from './http-processor.js';

const SECRET = 'a secret that is known to both sides';
const processorOf = (url: string, connections = 10) =>
  new HttpProcessor({ url, secret: SECRET, callbackTimeoutSeconds: 90, connections });

async function underTest(): Promise<ProcessorUnderTest> {
  const service = await FulfilmentService.start();
  const processor = processorOf(service.url);
  const fates = new Map<string, Fate>();
  service.answer = (response, received) => {
    const fate = fates.get(received.body.id);
    if (fate === 'refused') answer(422, { detail: 'No such address' })(response, received);
    else if (fate === 'failed') answer(503)(response, received);
    else if (fate === 'deferred') answer(202)(response, received);
    else if (fate !== 'endless') service.fulfil(response, received);
  };
  return {
    processor,
    arrange(order: Order, fate: Fate): Order {
      fates.set(order.id, fate);
      return order;
    },
    underWay: ({ id }) =>
      waitFor('the order to arrive', () => service.received.some(({ body }) => body.id === id)),
    effectsOf: ({ id }) => service.timesFulfilled(id),
    close() {
      processor.close();
      return service.close();
    },
  };
}

describeOrderProcessor('The HTTP processor', underTest);

let service: FulfilmentService;
let processor: HttpProcessor;

beforeEach(async () => {
  service = await FulfilmentService.start();
  processor = processorOf(service.url);
});
afterEach(async () => {
  processor.close();
  await service.close();
});

const context = (attempt = 1) => ({ attempt, signal: new AbortController().signal });

/** What an attempt throws. */
async function failureOf(attempt: Promise<unknown>): Promise<Error> {
  const settled = await Promise.allSettled([attempt]);
  expect(settled).toEqual([{ status: 'rejected', reason: expect.any(Error) }]);
  return (settled[0] as PromiseRejectedResult).reason as Error;
}

describe('a request to the service', () => {
  it('carries the order as the API shows it, the attempt, and how to answer later', async () => {
    await processor.process(processingOrder(), context(3));
    expect(service.received).toMatchObject([{ method: 'POST', path: '/orders?shop=7' }]);
    expect(service.received[0]?.headers).toMatchObject({ 'content-type': 'application/json' });
    expect(service.received[0]?.body).toEqual({
      id: '20261120-00001',
      status: 'processing',
      customerId: 'customer-7',
      clientOrderId: null,
      priority: 'normal',
      currency: 'USD',
      totalCents: 2_500,
      lines: [
        {
          sku: 'TEA-EARL-GREY',
          name: 'Earl Grey, 100 g',
          quantity: 1,
          unitPriceCents: 1_250,
          lineTotalCents: 1_250,
          allocations: [{ warehouse: 'main', quantity: 1 }],
        },
        {
          sku: 'TEA-SENCHA',
          name: 'Sencha, 100 g',
          quantity: 1,
          unitPriceCents: 1_250,
          lineTotalCents: 1_250,
          allocations: [{ warehouse: 'main', quantity: 1 }],
        },
      ],
      reservationId: null,
      placedAt: '2026-11-20T09:30:00.000Z',
      updatedAt: '2026-11-20T09:30:01.000Z',
      version: 2,
      attempt: 3,
      callback: {
        path: '/api/v1/processing/callbacks/20261120-00001',
        version: 2,
        timeoutSeconds: 90,
      },
    });
  });

  it('has the same idempotency key in every attempt, and after the order was started afresh', async () => {
    await processor.process(processingOrder(), context(1));
    await processor.process(processingOrder({ version: 4 }), context(2));
    await processor.process(processingOrder({ version: 9, updatedAt: new Date() }), context(1));
    const keys = service.received.map(({ headers }) => headers['idempotency-key']);
    expect(keys).toEqual(['20261120-00001', '20261120-00001', '20261120-00001']);
  });

  it('is signed over its time and the very bytes of its body', async () => {
    const line = { ...processingOrder().lines[0], name: 'Grüner Tee “Sencha” 🍵' };
    await processor.process(processingOrder({ lines: [line as Order['lines'][number]] }), context());
    const [{ headers, text }] = service.received as [(typeof service.received)[number]];
    const timestamp = String(headers['x-daybook-timestamp']);
    expect(Math.abs(Number(timestamp) - Date.now() / 1000)).toBeLessThan(60);
    const digest = createHmac('sha256', SECRET).update(`${timestamp}.${text}`, 'utf8').digest('hex');
    expect(headers['x-daybook-signature']).toBe(`v1=${digest}`);
  });
});

describe('an answer', () => {
  it.each([200, 201, 204, 299])('with status %i confirms', async (status) => {
    service.answer = answer(status);
    await expect(processor.process(processingOrder(), context())).resolves.toBeUndefined();
  });

  it('leaves no timer behind', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const before = timers();
    await processor.process(processingOrder(), context());
    expect(timers()).toBe(before);
  });

  it('202 is followed by another, which is waited for as long as configured', async () => {
    service.answer = answer(202);
    expect(await processor.process(processingOrder(), context())).toEqual({ deferredForSeconds: 90 });
  });

  it.each([400, 401, 404, 409, 422, 451, 499])('with status %i refuses for good', async (status) => {
    service.answer = answer(status, { detail: 'Not to that island.', title: 'Refused' });
    const failure = await failureOf(processor.process(processingOrder(), context()));
    expect(failure).toBeInstanceOf(ProcessingRefused);
    expect(failure.message).toBe(`The fulfilment service answered ${status}: Not to that island.`);
  });

  it.each([408, 425, 429, 500, 503, 599])('with status %i is tried again', async (status) => {
    service.answer = answer(status, { title: 'Not now' });
    const failure = await failureOf(processor.process(processingOrder(), context()));
    expect(failure).not.toBeInstanceOf(ProcessingRefused);
    expect(failure.message).toBe(`The fulfilment service answered ${status}: Not now`);
  });

  it.each([301, 302, 307, 308])('with status %i is not followed to another place', async (status) => {
    const elsewhere = await FulfilmentService.start();
    service.answer = answer(status, undefined, { location: elsewhere.url });
    const failure = await failureOf(processor.process(processingOrder(), context()));
    expect(failure).not.toBeInstanceOf(ProcessingRefused);
    expect(failure.message).toBe(`The fulfilment service answered ${status}`);
    expect(elsewhere.received).toEqual([]);
    await elsewhere.close();
  });

  it.each<[what: string, body: object | string, shown: string]>([
    [
      'in one line, without control characters',
      { detail: '\u0000 a\r\nb\u001b[31m\u202e c ' },
      ': a b [31m c',
    ],
    ['without halves of characters', { detail: 'a\ud83c b' }, ': a b'],
    ['in part, if it is long', { detail: 'x'.repeat(5_000) }, `: ${'x'.repeat(300)}`],
    ['not at all, if it is no problem', '<html>Bad things</html>', ''],
    ['not at all, if it is no object', 'null', ''],
    ['not at all, if it is no text', { detail: { a: 1 }, title: '  ' }, ''],
    ['not at all, if it is far too long', { detail: 'a', more: 'x'.repeat(20_000) }, ''],
  ])('that refuses is quoted %s', async (_, body, shown) => {
    service.answer = answer(422, body);
    const { message } = await failureOf(processor.process(processingOrder(), context()));
    expect(message).toBe(`The fulfilment service answered 422${shown}`);
  });
});

describe('an answer without an end', () => {
  it.each([
    [200, undefined],
    [422, ProcessingRefused],
  ])('(%i, of more and more bytes) counts by its status, and is broken off', async (status, failure) => {
    let sent = 0;
    service.answer = (response) => {
      const line = 'x'.repeat(64 * 1024);
      response.writeHead(status);
      const send = () => {
        do sent += line.length;
        while (!response.destroyed && response.write(line));
      };
      response.on('drain', send);
      send();
    };
    const [settled] = await Promise.allSettled([processor.process(processingOrder(), context())]);
    if (failure === undefined) expect(settled).toMatchObject({ status: 'fulfilled' });
    else expect(settled).toMatchObject({ status: 'rejected', reason: expect.any(failure) });
    await waitFor('the connection to be broken', () => service.connections.size === 0);
    expect(sent).toBeLessThan(64 * 1024 * 1024);
  });

  it('(whose body never comes) counts by its status, and is broken off', async () => {
    service.answer = (response) => response.writeHead(200).write('{');
    await expect(processor.process(processingOrder(), context())).resolves.toBeUndefined();
    await waitFor('the connection to be broken', () => service.connections.size === 0);
  });

  it('(whose body breaks off) counts by its status', async () => {
    service.answer = (response) => {
      response.writeHead(503, { 'content-length': 1_000 }).write('{');
      setImmediate(() => response.socket?.resetAndDestroy());
    };
    const failure = await failureOf(processor.process(processingOrder(), context()));
    expect(failure.message).toBe('The fulfilment service answered 503');
  });
});

describe('a service that takes its time', () => {
  it('is waited for', async () => {
    const responses: ServerResponse[] = [];
    service.answer = (response) => void responses.push(response);
    const attempt = processor.process(processingOrder(), context());
    const response = await waitFor('the order to arrive', () => responses[0]);
    response.writeProcessing();
    response.writeHead(200);
    response.flushHeaders();
    response.write('{');
    response.end('}');
    await expect(attempt).resolves.toBeUndefined();
  });
});

describe('a service that does not answer', () => {
  it('is left when the time of the attempt is up, and its connection is closed', async () => {
    service.answer = silence;
    const stop = new AbortController();
    const attempt = failureOf(processor.process(processingOrder(), { attempt: 1, signal: stop.signal }));
    await waitFor('the order to arrive', () => service.received.length === 1);
    stop.abort(new Error('30 s are over'));
    expect(await attempt).toBe(stop.signal.reason);
    await waitFor('the connection to be closed', () => service.connections.size === 0);
  });

  it('but breaks the connection is tried again', async () => {
    service.answer = (response) => response.socket?.resetAndDestroy();
    const failure = await failureOf(processor.process(processingOrder(), context()));
    expect(failure).not.toBeInstanceOf(ProcessingRefused);
    expect(failure.message).toBe('The fulfilment service gave no answer: ECONNRESET');
    expect(failure.cause).toMatchObject({ code: 'ECONNRESET' });
  });

  it('because nobody listens is tried again', async () => {
    const { url } = service;
    await service.close();
    const failure = await failureOf(processorOf(url).process(processingOrder(), context()));
    expect(failure).not.toBeInstanceOf(ProcessingRefused);
    expect(failure.message).toBe('The fulfilment service gave no answer: ECONNREFUSED');
    service = await FulfilmentService.start();
  });
});

describe('a server that is no HTTP server', () => {
  let server: Server;
  const sockets = new Set<Socket>();
  let reply: string;

  beforeEach(async () => {
    reply = '';
    server = createServer((socket) => {
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

  const address = (protocol: string) =>
    `${protocol}://127.0.0.1:${(server.address() as AddressInfo).port}/orders`;

  it('is left at once even before a secure connection is made', async () => {
    const secure = processorOf(address('https'));
    const stop = new AbortController();
    const attempt = failureOf(secure.process(processingOrder(), { attempt: 1, signal: stop.signal }));
    await waitFor('a connection', () => sockets.size === 1);
    stop.abort(new Error('30 s are over'));
    expect(await attempt).toBe(stop.signal.reason);
    await waitFor('the connection to be closed', () => sockets.size === 0);
  });

  it.each([
    ['nonsense', 'GUTEN TAG\r\n\r\n', 'HPE_INVALID_CONSTANT'],
    [
      'a switch to another protocol',
      'HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n',
      'the connection was closed',
    ],
    ['headers without an end', `HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(20_000)}`, 'HPE_HEADER_OVERFLOW'],
  ])('and answers %s is tried again', async (_, text, code) => {
    reply = text;
    const failure = await failureOf(processorOf(address('http')).process(processingOrder(), context()));
    expect(failure).not.toBeInstanceOf(ProcessingRefused);
    expect(failure.message).toBe(`The fulfilment service gave no answer: ${code}`);
    await waitFor('the connection to be closed', () => sockets.size === 0);
  });
});

describe('connections', () => {
  it('are never more than there are workers', async () => {
    const few = processorOf(service.url, 4);
    await Promise.all(processingOrders(40).map((order) => few.process(order, context())));
    expect(service.received).toHaveLength(40);
    expect(service.opened).toBeGreaterThan(1);
    expect(service.opened).toBeLessThanOrEqual(4);
    few.close();
  });

  it('are kept for the next order', async () => {
    for (const order of processingOrders(5)) await processor.process(order, context());
    expect(service.opened).toBe(1);
  });

  it('are broken when the processor is closed, the one in use too', async () => {
    service.answer = silence;
    const attempt = failureOf(processor.process(processingOrder(), context()));
    await waitFor('the order to arrive', () => service.received.length === 1);
    processor.close();
    expect((await attempt).message).toBe('The fulfilment service gave no answer: ECONNRESET');
  });
});
