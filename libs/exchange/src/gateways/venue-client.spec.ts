import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { context, propagation, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';

import { enableTracing, inSpan } from '@daybook/platform';

import { exchangeOrder } from '../../../../test/support/exchange-order.js';
import { RestGateway } from './rest-gateway.js';

const exporter = new InMemorySpanExporter();
let server: Server;
let status = 201;
const traceparents: (string | undefined)[] = [];

beforeAll(async () => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(
    new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }),
  );
  enableTracing();
  server = createServer((request, response) => {
    traceparents.push(request.headers['traceparent'] as string | undefined);
    response.writeHead(status).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => server.close());
beforeEach(() => {
  exporter.reset();
  traceparents.length = 0;
});

/** The spans that were made while the order was looked for or placed, as part of another span. */
async function spansOf(request: 'place' | 'find', url: string) {
  const gateway = new RestGateway({ venue: 'XSIM', url, connections: 1, token: 'open sesame' });
  await inSpan(
    'test',
    {},
    async () => void (await gateway[request](exchangeOrder(), AbortSignal.timeout(20_000))),
  );
  await gateway.close();
  const [client, around] = exporter.getFinishedSpans();
  expect(client?.parentSpanContext?.spanId).toBe(around?.spanContext().spanId);
  return client;
}
const here = () => `http://me:secret@127.0.0.1:${(server.address() as AddressInfo).port}/venues/7`;

describe('a request to the venue', () => {
  it('is a span of the trace it belongs to, which the venue can go on with', async () => {
    status = 404;
    const span = await spansOf('find', here());
    const { port } = server.address() as AddressInfo;
    expect(span?.name).toBe('GET /orders/{clOrdId}');
    expect(span?.attributes).toEqual({
      'http.request.method': 'GET',
      'url.template': '/orders/{clOrdId}',
      'url.full': `http://127.0.0.1:${port}/venues/7/orders/X20261121-00001`,
      'server.address': '127.0.0.1',
      'server.port': port,
      'http.response.status_code': 404,
      'error.type': '404',
    });
    const { traceId, spanId } = span?.spanContext() ?? {};
    expect(traceparents).toEqual([`00-${traceId}-${spanId}-01`]);
  });

  it('has not failed when it was taken', async () => {
    status = 201;
    expect((await spansOf('place', here()))?.status.code).toBe(SpanStatusCode.UNSET);
  });

  it('that came to nothing says in its span how far it came', async () => {
    const span = await spansOf('place', 'http://127.0.0.1:1');
    expect(span?.status).toEqual({ code: SpanStatusCode.ERROR, message: 'ECONNREFUSED' });
    expect(span?.attributes['error.type']).toBe('unsent');
  });
});
