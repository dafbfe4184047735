import { startTestApp, type TestApp } from '../support/app.js';
import { expectHealthy } from '../support/doctor.js';
import { runNamedJob } from '../support/run-named-job.js';

/* Nothing runs by itself here: each job is started by the test, and the business time moved by it. */
let daybook: TestApp;

beforeAll(async () => {
  daybook = await startTestApp({ DAYBOOK_ROLES: 'api' });
});
afterAll(() => daybook.stop());
afterEach(() => daybook.database.shiftTime('0'));

const run = (job: string) => runNamedJob(daybook, job);

async function reserve(sku: string, quantity: number): Promise<string> {
  const body = { lines: [{ sku, quantity }], ttlSeconds: 60 };
  return (await daybook.api('POST', '/reservations', { body })).body.id;
}

async function placed(sku: string, ...way: string[]): Promise<string> {
  const body = { lines: [{ sku, quantity: 1 }] };
  const { id } = (await daybook.api('POST', '/orders', { body })).body;
  for (const status of way) await daybook.api('PATCH', `/orders/${id}`, { body: { status } });
  return id;
}

const statusOf = async (path: string) => (await daybook.api('GET', path)).body.status;
const storedStatuses = (ids: readonly string[]) =>
  daybook.database.query('SELECT status, count(*)::int FROM reservations WHERE id = ANY($1) GROUP BY 1', [
    ids,
  ]);

describe('expire-reservations', () => {
  it('writes down the expiry of all that are overdue, in batches, and gives their stock back', async () => {
    const sku = await daybook.createProduct('TEA', 1_000);
    const overdue = await Promise.all(Array.from({ length: 250 }, () => reserve(sku, 2)));
    await daybook.database.shiftTime('1 day');
    const active = await reserve(sku, 5);
    expect(await run('expire-reservations')).toEqual({ result: 'succeeded', rows: 250, error: null });
    expect(await storedStatuses(overdue)).toEqual([{ status: 'expired', count: 250 }]);
    expect(await statusOf(`/reservations/${active}`)).toBe('active');
    const levels = await daybook.database.query('SELECT reserved FROM stock_levels WHERE reserved > 0');
    expect(levels).toEqual([{ reserved: '5' }]);
    const journal = await daybook.database.query(
      `SELECT actor, split_part(request_id, '/', 2) AS job, count(*)::int FROM journal
       WHERE type = 'reservation.expired' GROUP BY 1, 2`,
    );
    expect(journal).toEqual([{ actor: 'daybook', job: 'expire-reservations', count: 250 }]);
    await expectHealthy(daybook.database.url);
  });

  it('finds nothing to do a second time', async () => {
    expect(await run('expire-reservations')).toEqual({ result: 'succeeded', rows: 0, error: null });
  });

  it('gives back only what is still held: somebody who ran short had the rest', async () => {
    const [pot, cup] = [await daybook.createProduct('POT', 1), await daybook.createProduct('CUP', 1)];
    const lines = [
      { sku: pot, quantity: 1 },
      { sku: cup, quantity: 1 },
    ];
    const body = { lines, ttlSeconds: 60 };
    const { id } = (await daybook.api('POST', '/reservations', { body })).body;
    await daybook.database.shiftTime('2 days');
    const order = await daybook.api('POST', '/orders', { body: { lines: [{ sku: pot, quantity: 1 }] } });
    expect(order.status).toBe(201);
    expect(await run('expire-reservations')).toMatchObject({ result: 'succeeded', error: null });
    expect(await storedStatuses([id])).toEqual([{ status: 'expired', count: 1 }]);
    const stock = async (sku: string) => (await daybook.api('GET', `/products/${sku}/stock`)).body;
    expect(await stock(pot)).toMatchObject({ onHand: 1, reserved: 0, allocated: 1, available: 0 });
    expect(await stock(cup)).toMatchObject({ onHand: 1, reserved: 0, allocated: 0, available: 1 });
  });
});

describe('purge-reservations', () => {
  it('deletes those that ended long ago, whatever their end, and no others', async () => {
    const sku = await daybook.createProduct('GONE', 10);
    const [released, consumed, overdue] = [
      await reserve(sku, 1),
      await reserve(sku, 1),
      await reserve(sku, 1),
    ];
    await daybook.api('POST', `/reservations/${released}/release`);
    const order = await daybook.api('POST', '/orders', { body: { reservationId: consumed } });
    expect(await run('purge-reservations')).toEqual({ result: 'succeeded', rows: 0, error: null });
    await daybook.database.shiftTime('31 days');
    const recent = await reserve(sku, 1);
    await run('purge-reservations');
    const left = await daybook.database.query<{ id: string }>('SELECT id FROM reservations');
    const ids = left.map(({ id }) => id);
    // One whose expiry nobody has written down yet still has stock to give back.
    expect(ids).toContain(overdue);
    expect(ids).toContain(recent);
    expect(ids).not.toContain(released);
    expect(ids).not.toContain(consumed);
    expect((await daybook.api('GET', `/orders/${order.body.id}`)).body.reservationId).toBe(consumed);
    await run('expire-reservations');
    await run('purge-reservations');
    expect((await daybook.api('GET', `/reservations/${overdue}`)).status).toBe(404);
    await expectHealthy(daybook.database.url);
  });
});

describe('requeue-stuck-orders', () => {
  it('puts orders back that have been processing for too long, and leaves all others', async () => {
    const sku = await daybook.createProduct('STUCK', 10);
    const stuck = await placed(sku, 'processing');
    const others = [await placed(sku), await placed(sku, 'processing', 'confirmed')];
    await daybook.database.shiftTime('61 minutes');
    const busy = await placed(sku, 'processing');
    expect(await run('requeue-stuck-orders')).toEqual({ result: 'succeeded', rows: 1, error: null });
    const orders = await Promise.all([stuck, busy, ...others].map((id) => statusOf(`/orders/${id}`)));
    expect(orders).toEqual(['pending', 'processing', 'pending', 'confirmed']);
    const { data } = (await daybook.api('GET', `/orders/${stuck}/audit`)).body;
    expect(data.at(-1)).toMatchObject({
      actor: 'daybook',
      data: { after: { status: 'pending' }, reason: 'Processing for more than 3600 seconds' },
    });
    await expectHealthy(daybook.database.url);
  });
});
