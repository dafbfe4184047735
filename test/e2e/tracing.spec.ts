import { once } from 'node:events';
import http from 'node:http';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { projectRoot } from '@daybook/platform';

import { tokenFor } from '../support/app.js';
import { FulfilmentService } from '../support/fulfilment-service.js';
import { expectStatus, type Fleet, startFleet } from '../support/fleet.js';
import type { ServerProcess } from '../support/server-process.js';
import { type ReceivedSpan, startTraceCollector, type TraceCollector } from '../support/trace-collector.js';
import { waitFor } from '../support/wait-for.js';

const ONE_TEA = { lines: [{ sku: 'TEA', quantity: 1 }] };
const CALLER = 'b7ad6b7169203331';
const TELL_MODULES = pathToFileURL(join(projectRoot(), 'test/support/tell-modules.mjs')).href;

let service: FulfilmentService;
let collector: TraceCollector;
let fleet: Fleet;

beforeAll(async () => {
  service = await FulfilmentService.start();
});
afterAll(() => service.close());

async function start(...environments: NodeJS.ProcessEnv[]): Promise<void> {
  const processor = {
    ORDER_PROCESSOR: 'http',
    ORDER_PROCESSOR_URL: service.url,
    ORDER_PROCESSOR_SECRET: 'a secret that is known to both sides',
  };
  fleet = await startFleet(environments.map((environment) => ({ ...processor, ...environment })));
  await fleet.createProduct('TEA', 1_000);
}

/** A caller's trace, of a number of one digit. */
const traceOf = (digit: number) => String(digit).repeat(32);
const sampled = (digit: number) => ({ traceparent: `00-${traceOf(digit)}-${CALLER}-01` });

async function placeOrder(headers: Record<string, string> = {}): Promise<string> {
  const { body } = await expectStatus(201, fleet.ask(0, 'POST', '/orders', { body: ONE_TEA, headers }));
  return body.id as string;
}

const untilConfirmed = (id: string) =>
  waitFor('the order to be confirmed', async () => {
    const { body } = await fleet.ask(0, 'GET', `/orders/${id}`);
    return body.status === 'confirmed';
  });

/** What the fulfilment service was told of the trace of an order. */
const toldTo = (id: string) =>
  service.received.findLast(({ body }) => body.id === id)?.headers['traceparent'];

/** The span of this name in a trace, once it has arrived. */
const span = (name: string, traceId: string) =>
  waitFor(`${name} in trace ${traceId}`, () =>
    collector.spans.find((each) => each.name === name && each.traceId === traceId),
  );
const linksTo = (one: ReceivedSpan, other: ReceivedSpan) =>
  one.links.some(({ traceId, spanId }) => traceId === other.traceId && spanId === other.spanId);
const linkedWith = (name: string, other: ReceivedSpan) =>
  waitFor(`${name} that is linked with ${other.name}`, () =>
    collector.spans.find((each) => each.name === name && linksTo(each, other)),
  );

describe('an API and a worker in processes of their own', () => {
  beforeAll(async () => {
    collector = await startTraceCollector();
    await start(
      { DAYBOOK_ROLES: 'api', OTEL_SERVICE_NAME: 'desk', ...collector.environment },
      { DAYBOOK_ROLES: 'worker', ...collector.environment },
    );
  });
  afterAll(async () => {
    await fleet.stop();
    await collector.close();
  });

  it('tell one trace from the request to the fulfilment service and the settlement, continuing that of the caller', async () => {
    const id = await placeOrder({ ...sampled(1), 'x-request-id': 'tea-please' });
    const request = await span('POST /api/v1/orders', traceOf(1));
    const placement = await span('place-order', traceOf(1));
    const attempt = await span('process orders', traceOf(1));
    const call = await span('POST', traceOf(1));
    const settlement = await span('settle-attempts', traceOf(1));
    expect([request, placement, attempt, call, settlement].map(({ parentSpanId }) => parentSpanId)).toEqual([
      CALLER,
      request.spanId,
      request.spanId,
      attempt.spanId,
      attempt.spanId,
    ]);
    expect(toldTo(id)).toBe(`00-${traceOf(1)}-${call.spanId}-01`);
    expect(request.attributes).toMatchObject({
      'http.request.method': 'POST',
      'http.route': '/api/v1/orders',
      'url.path': '/api/v1/orders',
      'http.response.status_code': 201,
      'http.response.header.location': [`/api/v1/orders/${id}`],
      'http.response.header.x-request-id': ['tea-please'],
    });
    expect(attempt.attributes).toMatchObject({
      'messaging.operation.type': 'process',
      'daybook.order.id': id,
      'daybook.attempt.number': 1,
      'daybook.attempt.outcome': 'confirmed',
    });
    expect(request.resource).toMatchObject({ 'service.name': 'desk' });
    expect(attempt.resource).toMatchObject({ 'service.name': 'daybook' });
    expect(attempt.resource['process.pid']).not.toBe(request.resource['process.pid']);
    expect(linksTo(await linkedWith('receive orders', request), request)).toBe(true);
  });

  it('link each request with the batch that committed it, and the batch with its requests', async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, () => placeOrder(sampled(8))));
    const placements = await waitFor('all placements', () => {
      const found = collector.spans.filter(
        ({ name, traceId }) => name === 'place-order' && traceId === traceOf(8),
      );
      return found.length === 20 && found;
    });
    // Else they would share batches with the orders of the next test.
    await Promise.all(ids.map(untilConfirmed));
    const batches = new Set<ReceivedSpan>();
    for (const placement of placements) {
      const batch = await linkedWith('place-order batch', placement);
      expect(linksTo(placement, batch)).toBe(true);
      expect(batch.traceId).not.toBe(placement.traceId);
      expect(batch.parentSpanId ?? '').toBe('');
      batches.add(batch);
    }
    const sizes = [...batches].map(({ attributes }) => Number(attributes['daybook.batch.size']));
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(20);
    expect(Math.max(...sizes)).toBeGreaterThan(1);
    for (const batch of batches) {
      const commit = await span('COMMIT', batch.traceId);
      const insert = await span('orders/insert', batch.traceId);
      for (const each of [commit, insert]) {
        expect(each.parentSpanId).toBe(batch.spanId);
        expect(each.attributes).toMatchObject({
          'db.system.name': 'postgresql',
          'db.query.summary': each.name,
        });
      }
    }
  });

  it('leave out what the caller does not sample, its batch and its attempt included', async () => {
    const unseen = { traceparent: `00-${traceOf(2)}-${CALLER}-00` };
    await untilConfirmed(await placeOrder(unseen));
    await placeOrder(sampled(3));
    await span('settle-attempts', traceOf(3));
    expect(collector.spans.filter(({ traceId }) => traceId === traceOf(2))).toEqual([]);
    const links = collector.spans.flatMap((each) => each.links.map(({ traceId }) => traceId));
    expect(links).toContain(traceOf(3));
    expect(links).not.toContain(traceOf(2));
  });

  it('tell in the same trace what becomes of an order whose worker has died', async () => {
    await fleet.database.query('UPDATE order_queues SET paused_at = now()');
    const id = await placeOrder(sampled(9));
    // As its worker left it, an hour ago.
    await fleet.database.query(`UPDATE orders SET status = 'processing' WHERE status = 'pending'`);
    await fleet.database.query(
      `UPDATE pgboss.job SET state = 'active', started_on = now(), heartbeat_on = now() - interval '1 hour'
       WHERE state = 'created'`,
    );
    const rescue = await span('take back', traceOf(9));
    await fleet.database.query('UPDATE order_queues SET paused_at = NULL');
    await untilConfirmed(id);
    const attempt = await span('process orders', traceOf(9));
    const request = await span('POST /api/v1/orders', traceOf(9));
    expect([rescue.parentSpanId, attempt.parentSpanId]).toEqual([request.spanId, request.spanId]);
    expect(attempt.attributes).toMatchObject({ 'daybook.order.id': id, 'daybook.attempt.number': 2 });
  });

  it('do not count a refusal as a failure, and write the trace of a failure into the log', async () => {
    const tooMuch = { lines: [{ sku: 'TEA', quantity: 5_000 }] };
    await expectStatus(409, fleet.ask(0, 'POST', '/orders', { body: tooMuch, headers: sampled(4) }));
    const refused = [await span('POST /api/v1/orders', traceOf(4)), await span('place-order', traceOf(4))];
    expect(refused.map(({ isFailed }) => isFailed)).toEqual([false, false]);
    expect(refused[1]?.attributes).toMatchObject({ 'daybook.refusal': 'insufficient_stock' });

    await fleet.database.query('ALTER TABLE orders RENAME TO mislaid');
    await expectStatus(500, fleet.ask(0, 'POST', '/orders', { body: ONE_TEA, headers: sampled(5) }));
    await fleet.database.query('ALTER TABLE mislaid RENAME TO orders');
    const failed = [await span('POST /api/v1/orders', traceOf(5)), await span('place-order', traceOf(5))];
    expect(failed.map(({ isFailed }) => isFailed)).toEqual([true, true]);
    expect(failed[0]?.attributes).toMatchObject({ 'error.type': '500', 'http.response.status_code': 500 });
    const line = await waitFor('the line in the log', () =>
      fleet.servers[0]
        ?.output()
        .split('\n')
        .find((each) => each.includes(traceOf(5))),
    );
    expect(JSON.parse(line)).toMatchObject({ level: 'error', trace_id: traceOf(5) });
  });

  it('keep a request in its trace whose body arrives after its headers', async () => {
    const { origin } = fleet.servers[0] as ServerProcess;
    const request = http.request(`${origin}/api/v1/orders`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${await tokenFor('operator-1', 'operator')}`,
        expect: '100-continue',
        ...sampled(7),
      },
    });
    request.flushHeaders();
    await once(request, 'continue');
    request.end(JSON.stringify(ONE_TEA));
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    expect(response.statusCode).toBe(201);
    response.resume();
    const placement = await span('place-order', traceOf(7));
    expect(placement.parentSpanId).toBe((await span('POST /api/v1/orders', traceOf(7))).spanId);
  });

  it('do not trace health checks', async () => {
    const [api] = fleet.servers;
    await fetch(`${api?.origin}/health/ready`);
    await fetch(`${api?.origin}/metrics`);
    await placeOrder(sampled(6));
    await span('POST /api/v1/orders', traceOf(6));
    expect(
      collector.spans.map(({ name }) => name).filter((name) => /^GET .(health|metrics)/.test(name)),
    ).toEqual([]);
  });
});

describe('which packages are loaded', () => {
  const loaded = () => [...new Set(fleet.servers[0]?.output().match(/(?<=loads )\S+/g))];
  beforeEach(async () => {
    collector = await startTraceCollector();
  });
  afterEach(async () => {
    await fleet.stop();
    await collector.close();
  });
  const telling = { NODE_OPTIONS: `--import=${TELL_MODULES}` };

  it.each([
    ['without any variable', () => ({})],
    ['with OTEL_SDK_DISABLED', () => ({ ...collector.environment, OTEL_SDK_DISABLED: 'true' })],
    ['with OTEL_TRACES_EXPORTER=none', () => ({ ...collector.environment, OTEL_TRACES_EXPORTER: 'none' })],
  ])('%s: only the interface; nothing is traced', async (_, environment) => {
    await start({ DAYBOOK_ROLES: 'api,worker', ...telling, ...environment() });
    const id = await placeOrder(sampled(7));
    await untilConfirmed(id);
    expect(toldTo(id)).toBeUndefined();
    await fleet.servers[0]?.end('SIGTERM');
    expect(loaded()).toEqual(['@opentelemetry/api']);
    expect(collector.contentTypes).toEqual([]);
  });

  it('with an endpoint: the SDK, which sends protobuf by default', async () => {
    await start({
      DAYBOOK_ROLES: 'api,worker',
      ...telling,
      ...collector.environment,
      OTEL_EXPORTER_OTLP_PROTOCOL: '',
    });
    await placeOrder();
    await waitFor('spans', () => collector.contentTypes.length > 0);
    expect(loaded()).toContain('@opentelemetry/sdk-trace');
    expect(new Set(collector.contentTypes)).toEqual(new Set(['application/x-protobuf']));
  });
});

describe('a collector that', () => {
  // Left to itself the exporter would try for ten seconds.
  const PATIENCE_MS = 7_000;

  async function expectToServeAndStop(environment: NodeJS.ProcessEnv): Promise<void> {
    await start({ DAYBOOK_ROLES: 'api,worker', ...environment });
    await untilConfirmed(await placeOrder());
    const [server] = fleet.servers;
    const sentAt = performance.now();
    expect(await server?.end('SIGTERM')).toBe(0);
    expect(performance.now() - sentAt).toBeLessThan(PATIENCE_MS);
  }

  afterEach(() => fleet.stop());

  it('is down disturbs neither orders nor the end of the process, and is told once', async () => {
    const { environment, close } = await startTraceCollector();
    await close();
    await expectToServeAndStop(environment);
    expect(fleet.servers[0]?.output().match(/"level":"(warn|error)"/g) ?? []).toHaveLength(1);
    expect(fleet.servers[0]?.output()).toContain('Traces are lost');
  });

  it('hangs disturbs neither orders nor the end of the process', async () => {
    const hanging = await startTraceCollector(() => undefined);
    await expectToServeAndStop(hanging.environment);
    expect(hanging.spans.length).toBeGreaterThan(0);
    await hanging.close();
  });
});
