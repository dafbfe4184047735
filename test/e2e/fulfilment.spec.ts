import { createHmac } from 'node:crypto';

import { request, startTestApp, type TestApp, type TestResponse } from '../support/app.js';
import { answer, FulfilmentService, type ReceivedOrder } from '../support/fulfilment-service.js';
import { placeOrder, storyOf } from '../support/order-desk.js';
import { expectInvalid, expectProblem } from '../support/problem.js';
import { waitFor } from '../support/wait-for.js';

const SECRET = 'a secret that the service shares with us';

let service: FulfilmentService;
let daybook: TestApp;
beforeAll(async () => {
  service = await FulfilmentService.start();
  daybook = await startTestApp({
    DAYBOOK_ROLES: 'api,worker',
    ORDER_PROCESSOR: 'http',
    ORDER_PROCESSOR_URL: service.url,
    ORDER_PROCESSOR_SECRET: SECRET,
    ORDER_CALLBACK_TIMEOUT_SECONDS: '60',
    WORKER_LEASE_SECONDS: '3',
  });
  await daybook.createProduct('TEA', 1_000);
});
afterAll(async () => {
  await daybook.stop();
  await service.close();
});
beforeEach(() => {
  service.answer = answer(202);
});

const statusOf = async (id: string) =>
  (await daybook.api('GET', `/orders/${id}/status`)).body.status as string;

const settled = (id: string, status: string) =>
  waitFor(`order ${id} to be ${status}`, async () => (await statusOf(id)) === status);

/** Places an order and waits until the service has answered that it will report later. */
async function deferOrder(): Promise<ReceivedOrder['body'] & { readonly orderId: string }> {
  const orderId = await placeOrder(daybook, 'TEA');
  const received = await waitFor('the order to arrive', () =>
    service.received.find(({ body }) => body.id === orderId),
  );
  await waitFor('the attempt to be deferred', async () => {
    const rows = await daybook.database.query(
      `SELECT 1 FROM pgboss.job WHERE data->>'orderId' = $1 AND output ? 'deferred'`,
      [orderId],
    );
    return rows.length === 1;
  });
  return { ...received.body, orderId };
}

interface Report {
  readonly path: string;
  readonly body: object | string;
  readonly secret?: string;
  readonly signedAt?: number;
}

/** Reports as the service would, signed by itself as docs/processing.md tells. */
function report({ path, body, secret = SECRET, signedAt = Date.now() }: Report): Promise<TestResponse> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const timestamp = String(Math.floor(signedAt / 1000));
  const digest = createHmac('sha256', secret).update(`${timestamp}.${text}`).digest('hex');
  const headers = {
    'content-type': 'application/json',
    'x-daybook-timestamp': timestamp,
    'x-daybook-signature': `v1=${digest}`,
  };
  return request(daybook.origin, 'POST', path, { body: text, headers });
}

it('an order that the service takes is confirmed', async () => {
  service.answer = (response, received) => service.fulfil(response, received);
  const id = await placeOrder(daybook, 'TEA');
  await settled(id, 'confirmed');
  expect(service.timesFulfilled(id)).toBe(1);
});

it('an order that the service refuses fails at once, and the audit trail tells why', async () => {
  service.answer = answer(422, { detail: 'No such address' });
  const id = await placeOrder(daybook, 'TEA');
  await settled(id, 'failed');
  const { body } = await daybook.api('GET', `/orders/${id}/audit`);
  expect(body.data.at(-1).data).toMatchObject({
    reason: 'The fulfilment service answered 422: No such address',
    attempt: { number: 1, outcome: 'refused' },
  });
});

it('an order that the service could not take is sent again', async () => {
  service.answer = (response, received) =>
    received.body.attempt === 1 ? answer(503)(response, received) : service.fulfil(response, received);
  const id = await placeOrder(daybook, 'TEA');
  await settled(id, 'confirmed');
  expect(await storyOf(daybook, id)).toEqual(['pending', 'processing', 'pending', 'processing', 'confirmed']);
});

describe('a service that answers later', () => {
  it.each([
    ['confirmed', 'confirmed'],
    ['refused', 'failed'],
    ['failed', 'pending'],
  ])('and reports %s makes the order %s', async (outcome, status) => {
    const { orderId, callback } = await deferOrder();
    expect(await statusOf(orderId)).toBe('processing');
    const { version } = callback;
    const answered = await report({ path: callback.path, body: { orderId, version, outcome } });
    expect(answered).toMatchObject({ status: 200, body: { id: orderId, status, version: version + 1 } });
  });

  it('and reports about another attempt, or something else than before, is told that it is over', async () => {
    const { orderId, callback } = await deferOrder();
    const { path, version } = callback;
    const early = await report({ path, body: { orderId, version: version - 1, outcome: 'confirmed' } });
    expect(expectProblem(early, 409, 'attempt_over')).toMatchObject({ orderId, version: version - 1 });
    const first = await report({ path, body: { orderId, version, outcome: 'confirmed' } });
    expect(first.status).toBe(200);
    // Its answer may have been lost.
    const repeated = await report({ path, body: { orderId, version, outcome: 'confirmed' } });
    expect(repeated).toMatchObject({ status: 200, text: first.text });
    const again = await report({ path, body: { orderId, version, outcome: 'refused' } });
    expect(expectProblem(again, 409, 'attempt_over')).toMatchObject({ orderId, version });
    expect(await statusOf(orderId)).toBe('confirmed');
  });

  it('keeps no worker busy', async () => {
    const deferred = await Promise.all(Array.from({ length: 15 }, () => deferOrder()));
    service.answer = (response, received) => service.fulfil(response, received);
    await settled(await placeOrder(daybook, 'TEA'), 'confirmed');
    expect(await statusOf(deferred[0]?.orderId as string)).toBe('processing');
  });

  it('but not in time loses its attempt, and the order is sent again', async () => {
    const { orderId, callback } = await deferOrder();
    service.answer = (response, received) => service.fulfil(response, received);
    await daybook.database.query(
      `UPDATE pgboss.job SET heartbeat_on = heartbeat_on - interval '60 s' WHERE data->>'orderId' = $1`,
      [orderId],
    );
    await settled(orderId, 'confirmed');
    expect(await storyOf(daybook, orderId)).toEqual([
      'pending',
      'processing',
      'pending',
      'processing',
      'confirmed',
    ]);
    const { path, version } = callback;
    const late = await report({ path, body: { orderId, version, outcome: 'refused' } });
    expect(expectProblem(late, 409, 'attempt_over')).toMatchObject({ orderId, version });
    const { body } = await daybook.api('GET', `/orders/${orderId}/audit`);
    expect(body.data[2].data.attempt).toMatchObject({ number: 1, outcome: 'timed_out' });
  });
});

describe('a report', () => {
  const path = '/api/v1/processing/callbacks/20261120-00001';
  const body = { orderId: '20261120-00001', version: 2, outcome: 'confirmed' };

  it('that is not signed, with another secret, or long ago, is not believed', async () => {
    expectProblem(await request(daybook.origin, 'POST', path, { body }), 401, 'unauthenticated');
    const forged = await report({ path, body, secret: 'a secret that somebody else has made up' });
    expectProblem(forged, 401, 'unauthenticated');
    const old = await report({ path, body, signedAt: Date.now() - 301_000 });
    expectProblem(old, 401, 'unauthenticated');
  });

  it('about an order that there is not, or whose number is none, is refused', async () => {
    expectProblem(await report({ path, body }), 409, 'attempt_over');
    const nowhere = path.replace('20261120-00001', 'tea');
    expectProblem(await report({ path: nowhere, body }), 404, 'not_found');
  });

  it('about another order than that of its path is refused: it may have been caught and sent again', async () => {
    const other = path.replace('00001', '00002');
    const answered = await report({ path: other, body });
    expectInvalid(answered, 'orderId');
  });

  it('that is signed and makes no sense is refused with what is wrong', async () => {
    const answered = await report({ path, body: { ...body, outcome: 'lost' } });
    expectProblem(answered, 400, 'validation_failed');
    expectProblem(await report({ path, body: '{' }), 400, 'validation_failed');
  });
});
