import { setImmediate as turn } from 'node:timers/promises';

import { context, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';

import type { Order, OrderId } from '@daybook/orders';
import { enableTracing, traceHeaders, type TraceHeaders } from '@daybook/platform';

import { FulfilmentService } from '../../../../test/support/fulfilment-service.js';
import { processingOrder } from '../../../../test/support/processing-order.js';
import type { Claim } from '../attempt.js';
import { ProcessingRefused } from '../order-processor.js';
import { HttpProcessor } from '../processors/http-processor.js';
import { describeEnd, startAttemptSpan, traceClaim } from './attempt-spans.js';
import { RunningAttempt } from './running-attempt.js';

const exporter = new InMemorySpanExporter();
const TRACE_ID = 'a'.repeat(32);
const REQUEST: TraceHeaders = { traceparent: `00-${TRACE_ID}-${'b'.repeat(16)}-01`, tracestate: 'vendor=1' };

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(
    new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }),
  );
  enableTracing();
});
beforeEach(() => exporter.reset());

function claimOf(orderId: string, headers?: TraceHeaders): Claim {
  const id = orderId as OrderId;
  return {
    id: `job of ${id}`,
    orderId: id,
    retryCount: 1,
    version: 2,
    order: { id } as Order,
    trace: headers,
  };
}

const spanIdIn = (headers: TraceHeaders | undefined) => headers?.['traceparent']?.split('-')[2];

describe('a processor', () => {
  /** Makes the attempt as a worker does. */
  async function attempt(claim: Claim, process: () => Promise<void>): Promise<void> {
    const span = startAttemptSpan(claim);
    const { ended } = span.run(() => new RunningAttempt(claim, { process }, 60_000));
    describeEnd(span, await ended);
    span.end();
  }

  it('can hand on the trace of the order, from inside the span of its attempt', async () => {
    const seen: (TraceHeaders | undefined)[] = [];
    const calls = ['20261121-00001', '20261121-00002'].map((id) =>
      attempt(claimOf(id, REQUEST), async () => {
        await turn();
        seen.push(traceHeaders());
      }),
    );
    await Promise.all(calls);
    const spans = exporter.getFinishedSpans();
    expect(spans.map(({ name, parentSpanContext }) => [name, parentSpanContext?.spanId])).toEqual([
      ['process orders', 'b'.repeat(16)],
      ['process orders', 'b'.repeat(16)],
    ]);
    expect(seen.map(spanIdIn)).toEqual(spans.map((span) => span.spanContext().spanId));
    expect(seen.map((headers) => headers?.['traceparent']?.split('-')[1])).toEqual([TRACE_ID, TRACE_ID]);
    expect(seen.map((headers) => headers?.['tracestate'])).toEqual(['vendor=1', 'vendor=1']);
  });

  it('that calls a fulfilment service tells it the trace', async () => {
    const service = await FulfilmentService.start();
    const processor = new HttpProcessor({
      url: service.url,
      secret: 'a secret of no fewer than 32 characters',
      callbackTimeoutSeconds: 60,
      connections: 1,
    });
    const claim = { ...claimOf('20261121-00008', REQUEST), order: processingOrder() };
    await attempt(claim, async () => {
      await processor.process(claim.order, { signal: new AbortController().signal, attempt: 1 });
    });
    processor.close();
    await service.close();
    const [call, around] = exporter.getFinishedSpans();
    expect(call?.parentSpanContext?.spanId).toBe(around?.spanContext().spanId);
    expect(call?.attributes).toMatchObject({
      'server.address': '127.0.0.1',
      'http.response.status_code': 200,
    });
    const [{ headers } = { headers: {} }] = service.received;
    expect(headers).toMatchObject({
      traceparent: `00-${TRACE_ID}-${call?.spanContext().spanId}-01`,
      tracestate: 'vendor=1',
    });
  });

  it('has a trace of its own for an order whose request was not traced', async () => {
    await attempt(claimOf('20261121-00003'), () => Promise.resolve());
    const [span] = exporter.getFinishedSpans();
    expect(span?.parentSpanContext).toBeUndefined();
    expect(span?.attributes).toMatchObject({
      'daybook.attempt.number': 2,
      'daybook.attempt.outcome': 'confirmed',
    });
  });

  it('fails the span when it fails', async () => {
    await attempt(claimOf('20261121-00004', REQUEST), () => Promise.reject(new ProcessingRefused('no tea')));
    const [span] = exporter.getFinishedSpans();
    expect(span?.attributes).toMatchObject({ 'daybook.attempt.outcome': 'refused', 'error.type': 'refused' });
    expect(span?.status).toMatchObject({ message: 'no tea' });
  });
});

describe('a claim', () => {
  it('is linked with the requests behind the orders that it found', async () => {
    const claims = [claimOf('20261121-00005', REQUEST), claimOf('20261121-00006')];
    expect(await traceClaim(() => Promise.resolve(claims))).toBe(claims);
    const [span] = exporter.getFinishedSpans();
    expect(span?.links.map((link) => link.context.spanId)).toEqual(['b'.repeat(16)]);
    expect(span?.attributes).toMatchObject({ 'messaging.batch.message_count': 2 });
  });

  it('that found nothing leaves no span, and none belongs to what woke the worker', async () => {
    const waking = startAttemptSpan(claimOf('20261121-00007', REQUEST));
    const seen = await waking.run(async () => {
      let inside: TraceHeaders | undefined;
      await traceClaim(async () => {
        inside = traceHeaders();
        return [];
      });
      return inside;
    });
    expect(seen).toBeUndefined();
    expect(exporter.getFinishedSpans()).toEqual([]);
  });
});
