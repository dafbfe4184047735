import type { AttemptOutcome } from '@daybook/orders';
import { NotFound, systemContext, VersionConflict } from '@daybook/platform';

import { startTestApp, type TestApp } from '../../../test/support/app.js';
import { placeOrder, storyOf } from '../../../test/support/order-desk.js';
import type { Claim } from './attempt.js';
import { ClaimOrders } from './claim-orders.js';
import { DEAD_ORDERS_QUEUE, ORDERS_QUEUE } from './queue-names.js';
import { SettleAttempts } from './settle-attempts.js';

const ATTEMPTS = 3;

let daybook: TestApp;
let sku = '';
let made = 0;
beforeAll(async () => {
  daybook = await startTestApp({ DAYBOOK_ROLES: 'api', ORDER_PROCESS_ATTEMPTS: String(ATTEMPTS) });
});
afterAll(() => daybook.stop());
beforeEach(async () => {
  await daybook.database.query('DELETE FROM pgboss.job');
  sku = await daybook.createProduct(`TEA-${++made}`, 100);
});

const claim = (count = 10, normalCount = 0): Promise<readonly Claim[]> =>
  daybook.app.get(ClaimOrders, { strict: false }).claim({ count, normalCount });

async function claimOne(): Promise<Claim> {
  const [claimed] = await claim(1);
  if (claimed === undefined) throw new Error('There is no order to claim');
  return claimed;
}

const settle = (attempt: Claim, outcome: AttemptOutcome, reason?: string) =>
  daybook.app
    .get(SettleAttempts, { strict: false })
    .settle(attempt, { outcome, reason, durationMs: 12.6 }, systemContext('test'));

interface JobRow {
  readonly name: string;
  readonly state: string;
  readonly retry_count: number;
  readonly waits: boolean;
  readonly data: object;
}

const jobs = () =>
  daybook.database.query<JobRow>(
    'SELECT name, state, retry_count, start_after > now() AS waits, data FROM pgboss.job ORDER BY name, id',
  );

const skipBackoff = () => daybook.database.query('UPDATE pgboss.job SET start_after = now()');

/** Of the product that the orders are for. */
async function allocated(): Promise<number> {
  return (await daybook.api('GET', `/products/${sku}/stock`)).body.allocated as number;
}

describe('a claim', () => {
  it('moves orders to processing and tells who works on which attempt', async () => {
    const id = await placeOrder(daybook, sku);
    const claimed = await claimOne();
    expect(claimed).toMatchObject({ orderId: id, retryCount: 0, version: 2 });
    expect(claimed.order).toMatchObject({ id, status: 'processing', lines: [{ sku, quantity: 1 }] });
    expect(await jobs()).toMatchObject([{ name: ORDERS_QUEUE, state: 'active' }]);
    expect(await storyOf(daybook, id)).toEqual(['pending', 'processing']);
    expect(await claim()).toEqual([]);
  });

  it('takes high orders before normal ones, and the lowest numbers first', async () => {
    const ids: string[] = [];
    for (const priority of ['normal', 'high', 'normal', 'high'])
      ids.push(await placeOrder(daybook, sku, { priority }));
    const claimed = [...(await claim(3)), ...(await claim(3))];
    expect(claimed.map(({ orderId }) => orderId)).toEqual([ids[1], ids[3], ids[0], ids[2]]);
  });

  it('takes as many normal orders as it is asked to, whatever the number of high ones', async () => {
    const ids: string[] = [];
    for (const priority of ['high', 'high', 'high', 'normal', 'normal'])
      ids.push(await placeOrder(daybook, sku, { priority }));
    expect((await claim(3, 1)).map(({ orderId }) => orderId)).toEqual([ids[0], ids[1], ids[3]]);
    expect((await claim(3, 3)).map(({ orderId }) => orderId)).toEqual([ids[2], ids[4]]);
  });

  it('never gives one order to two', async () => {
    const ids = await Promise.all(Array.from({ length: 40 }, () => placeOrder(daybook, sku)));
    const claims = (await Promise.all(Array.from({ length: 10 }, () => claim(5)))).flat();
    const rest = await claim(40);
    const claimed = [...claims, ...rest].map(({ orderId }) => orderId);
    expect(claimed.toSorted()).toEqual(ids.toSorted());
  });

  it('passes over an order that somebody is moving right now, and drops one that has moved on', async () => {
    const [held, cancelled, free] = [
      await placeOrder(daybook, sku),
      await placeOrder(daybook, sku),
      await placeOrder(daybook, sku),
    ];
    // As if its job had been taken before it was withdrawn.
    await daybook.database.query(`UPDATE orders SET status = 'cancelled' WHERE id = ${stored(cancelled)}`);
    const claimed = await whileLocked(held, () => claim(3));
    expect(claimed.map(({ orderId }) => orderId)).toEqual([free]);
    expect(await claim(3)).toEqual([]);
    await skipBackoff();
    expect((await claim(3)).map(({ orderId, retryCount }) => [orderId, retryCount])).toEqual([[held, 0]]);
    expect(await jobs()).toHaveLength(2);
  });
});

describe('a settled attempt', () => {
  it('that confirmed its order is done: no job is left', async () => {
    const id = await placeOrder(daybook, sku);
    await settle(await claimOne(), 'confirmed');
    expect(await storyOf(daybook, id)).toEqual(['pending', 'processing', 'confirmed']);
    expect(await jobs()).toEqual([]);
    const { body } = await daybook.api('GET', `/orders/${id}/audit`);
    expect(body.data[2].data.attempt).toEqual({ number: 1, outcome: 'confirmed', durationMs: 13 });
  });

  it.each<AttemptOutcome>(['failed', 'timed_out'])('that %s is made again after a while', async (outcome) => {
    const id = await placeOrder(daybook, sku);
    await settle(await claimOne(), outcome, 'out of paper');
    expect(await storyOf(daybook, id)).toEqual(['pending', 'processing', 'pending']);
    expect(await jobs()).toMatchObject([{ name: ORDERS_QUEUE, state: 'retry', waits: true }]);
    expect(await claim()).toEqual([]);
    await skipBackoff();
    expect(await claimOne()).toMatchObject({ orderId: id, retryCount: 1, version: 4 });
  });

  it('that was abandoned is made again at once, and counted', async () => {
    await placeOrder(daybook, sku);
    await settle(await claimOne(), 'abandoned');
    expect(await claimOne()).toMatchObject({ retryCount: 1, version: 4 });
  });

  it('that was handed back is made again at once, and not counted', async () => {
    await placeOrder(daybook, sku);
    await settle(await claimOne(), 'failed');
    await skipBackoff();
    await settle(await claimOne(), 'handed_back');
    expect(await claimOne()).toMatchObject({ retryCount: 1, version: 6 });
  });

  it.each<AttemptOutcome>(['failed', 'timed_out', 'abandoned'])(
    'that %s and was the last one fails its order, gives its stock back and buries its job',
    async (outcome) => {
      const id = await placeOrder(daybook, sku);
      for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
        expect(await allocated()).toBe(1);
        await skipBackoff();
        await settle(await claimOne(), outcome, 'out of paper');
      }
      expect((await storyOf(daybook, id)).at(-1)).toBe('failed');
      expect(await allocated()).toBe(0);
      expect(await jobs()).toMatchObject([
        { name: DEAD_ORDERS_QUEUE, data: { orderId: id, attempts: ATTEMPTS, reason: 'out of paper' } },
      ]);
    },
  );

  it('that was refused for good fails its order at once', async () => {
    const id = await placeOrder(daybook, sku);
    await settle(await claimOne(), 'refused', 'No such street');
    expect(await storyOf(daybook, id)).toEqual(['pending', 'processing', 'failed']);
    expect(await jobs()).toMatchObject([{ name: DEAD_ORDERS_QUEUE, data: { attempts: 1 } }]);
  });

  it('does not take the others of its batch along when it comes too late', async () => {
    await placeOrder(daybook, sku);
    const other = await placeOrder(daybook, sku);
    const [late, prompt] = (await claim(2)) as [Claim, Claim];
    await settle(late, 'handed_back');
    await claim(1);
    const [lateEnd, promptEnd] = await Promise.allSettled([
      settle(late, 'confirmed'),
      settle(prompt, 'confirmed'),
    ]);
    expect(lateEnd).toMatchObject({ status: 'rejected', reason: expect.any(VersionConflict) });
    expect(promptEnd).toMatchObject({ status: 'fulfilled' });
    expect((await storyOf(daybook, other)).at(-1)).toBe('confirmed');
    expect((await storyOf(daybook, late.orderId)).at(-1)).toBe('processing');
  });

  it('of an order that does not exist is refused', async () => {
    await placeOrder(daybook, sku);
    const claimed = await claimOne();
    const nowhere = { ...claimed, orderId: '20200101-00001' as Claim['orderId'] };
    await expect(settle(nowhere, 'confirmed')).rejects.toBeInstanceOf(NotFound);
  });
});

describe('whoever moves an order past the workers', () => {
  const move = (id: string, status: string) => daybook.api('PATCH', `/orders/${id}`, { body: { status } });

  it('withdraws its job by cancelling it', async () => {
    const id = await placeOrder(daybook, sku);
    expect((await move(id, 'cancelled')).status).toBe(200);
    expect(await jobs()).toEqual([]);
  });

  it('withdraws it also while the order waits for another attempt', async () => {
    const id = await placeOrder(daybook, sku);
    await settle(await claimOne(), 'failed');
    expect((await move(id, 'cancelled')).status).toBe(200);
    expect(await jobs()).toEqual([]);
  });

  it('takes it out of a worker’s hands, whose result is refused', async () => {
    const id = await placeOrder(daybook, sku);
    const claimed = await claimOne();
    expect((await move(id, 'confirmed')).status).toBe(200);
    expect(await jobs()).toEqual([]);
    await expect(settle(claimed, 'failed')).rejects.toBeInstanceOf(VersionConflict);
    expect(await storyOf(daybook, id)).toEqual(['pending', 'processing', 'confirmed']);
  });

  it('starts it afresh by sending it back to pending, and the attempt of before counts for nothing', async () => {
    const id = await placeOrder(daybook, sku);
    const before = await claimOne();
    expect((await move(id, 'pending')).status).toBe(200);
    const after = await claimOne();
    // Told apart by the order's version alone: pg-boss takes both for the first attempt of one job.
    expect([after.id, after.retryCount]).toEqual([before.id, before.retryCount]);
    await expect(settle(before, 'confirmed')).rejects.toBeInstanceOf(VersionConflict);
    await settle(after, 'confirmed');
    expect((await storyOf(daybook, id)).at(-1)).toBe('confirmed');
  });

  it('brings a failed one back to life, with new stock and all its attempts', async () => {
    const id = await placeOrder(daybook, sku);
    await settle(await claimOne(), 'refused');
    expect((await move(id, 'pending')).status).toBe(200);
    expect(await allocated()).toBe(1);
    expect(await jobs()).toMatchObject([{ name: ORDERS_QUEUE, retry_count: 0 }]);
    expect(await claimOne()).toMatchObject({ orderId: id, retryCount: 0 });
  });
});

/** The number as the database stores it. */
function stored(orderId: string): string {
  const [day = '', n = ''] = orderId.split('-');
  return day + n.padStart(10, '0');
}

/** Runs the work while another transaction holds the order. */
async function whileLocked<T>(orderId: string, work: () => Promise<T>): Promise<T> {
  const { default: pg } = await import('pg');
  const client = new pg.Client({ connectionString: daybook.database.url });
  await client.connect();
  try {
    await client.query('BEGIN');
    await client.query(`SELECT 1 FROM orders WHERE id = ${stored(orderId)} FOR UPDATE`);
    return await work();
  } finally {
    await client.end();
  }
}
