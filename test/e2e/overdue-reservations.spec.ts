import { randomUUID } from 'node:crypto';

import { CommandBus } from '@nestjs/cqrs';

import { ExpireReservations } from '@daybook/inventory';
import { systemContext } from '@daybook/platform';

import { startTestApp, type TestApp } from '../support/app.js';
import { expectProblem } from '../support/problem.js';
import { linesOf, ReservationDesk } from '../support/reservation-desk.js';

/*
 * What an overdue reservation is while nobody has written its expiry down: the server has no scheduler, and time only
 * passes when a test says so.
 */
const TTL_SECONDS = 600;

let daybook: TestApp;
let desk: ReservationDesk;
let secondsAhead = 0;

beforeAll(async () => {
  daybook = await startTestApp({ DAYBOOK_ROLES: 'api' });
  desk = new ReservationDesk(daybook);
});
afterAll(() => daybook.stop());

async function pass(seconds: number): Promise<void> {
  secondsAhead += seconds;
  await daybook.database.shiftTime(`${secondsAhead} seconds`);
}

/** What a sweep does, as often as there is something to do. */
async function writeExpiriesDown(): Promise<number> {
  const command = new ExpireReservations(100, systemContext('sweep'));
  const expired = await daybook.app.get(CommandBus).execute(command);
  return expired === 0 ? 0 : expired + (await writeExpiriesDown());
}

/** A reservation of a product that has nothing beside it, and the reservation is overdue. */
async function overdue(sku: string, quantity: number, stock = quantity): Promise<string> {
  await daybook.createProduct(sku, stock);
  const id = await desk.hold([[sku, quantity]], { ttlSeconds: TTL_SECONDS });
  await pass(TTL_SECONDS);
  return id;
}

const order = (sku: string, quantity: number) => desk.post('/orders', { lines: linesOf([[sku, quantity]]) });
const adjust = (sku: string, quantityDelta: number) =>
  desk.post('/stock-adjustments', { sku, quantityDelta, reason: 'counted' }, { caller: 'operator' });

describe('an overdue reservation', () => {
  it('reads as expired since its deadline, and reads the same once that is written down', async () => {
    await daybook.createProduct('READ', 1);
    const { body: made } = await desk.reserve([['READ', 1]], { ttlSeconds: TTL_SECONDS });
    await pass(TTL_SECONDS);
    const read = await desk.read(made.id);
    expect(read.body).toEqual({ ...made, status: 'expired', updatedAt: made.expiresAt, version: 2 });
    expect(read.headers.get('etag')).toBe('"2"');
    expect(await desk.storedStatus(made.id)).toEqual({ status: 'active', version: 1 });
    expect(await writeExpiriesDown()).toBe(1);
    expect(await desk.storedStatus(made.id)).toEqual({ status: 'expired', version: 2 });
    const later = await desk.read(made.id);
    expect(later.text).toBe(read.text);
    expect(later.headers.get('etag')).toBe('"2"');
  });

  it('is not overdue a moment before its deadline', async () => {
    await daybook.createProduct('NEARLY', 1);
    const id = await desk.hold([['NEARLY', 1]], { ttlSeconds: TTL_SECONDS });
    await pass(TTL_SECONDS - 60);
    expect(await writeExpiriesDown()).toBe(0);
    expect((await desk.read(id)).body).toMatchObject({ status: 'active', version: 1 });
    expectProblem(await order('NEARLY', 1), 409, 'insufficient_stock');
    expect((await desk.consume(id)).status).toBe(201);
  });

  it('is left out of the stock, though the sum that is kept still has it', async () => {
    await overdue('SHOWN', 3, 5);
    await desk.hold([['SHOWN', 1]]);
    expect(await desk.heldOf('SHOWN')).toEqual({ reserved: 4, holds: 4 });
    expect(await desk.stockOf('SHOWN')).toMatchObject({
      onHand: 5,
      reserved: 1,
      available: 4,
      warehouses: [{ warehouse: 'main', onHand: 5, reserved: 1, allocated: 0, available: 4 }],
    });
  });

  it('can neither be extended, nor released, nor ordered, though its row says active', async () => {
    const id = await overdue('LATE', 1);
    await desk.leavingNoTrace(async () => {
      for (const answer of [await desk.extend(id, 60), await desk.release(id), await desk.consume(id)]) {
        expect(expectProblem(answer, 409, 'reservation_not_active')).toMatchObject({
          reservationStatus: 'expired',
          orderId: null,
        });
      }
    });
    expect(await desk.storedStatus(id)).toEqual({ status: 'active', version: 1 });
  });

  it('is at the version that it will have when its expiry is written down', async () => {
    const id = await overdue('MATCHED', 1);
    const asSeen = async (ifMatch: string) => [
      await desk.extend(id, 60, { ifMatch }),
      await desk.release(id, { ifMatch }),
    ];
    for (const answer of await asSeen('"1"')) {
      expect(expectProblem(answer, 412, 'version_conflict')['currentVersion']).toBe(2);
    }
    for (const answer of await asSeen('"2"')) expectProblem(answer, 409, 'reservation_not_active');
  });

  it('that was extended in time is not overdue', async () => {
    await daybook.createProduct('EXTENDED', 1);
    const id = await desk.hold([['EXTENDED', 1]], { ttlSeconds: TTL_SECONDS });
    await pass(TTL_SECONDS / 2);
    await desk.extend(id, TTL_SECONDS);
    await pass(TTL_SECONDS / 2);
    expect((await desk.read(id)).body).toMatchObject({ status: 'active', version: 2 });
    expectProblem(await order('EXTENDED', 1), 409, 'insufficient_stock');
    expect((await desk.consume(id)).status).toBe(201);
  });
});

describe('whoever runs short of a product', () => {
  it('gets what overdue reservations have held: an order', async () => {
    const id = await overdue('ORDERED', 3);
    expect((await order('ORDERED', 3)).status).toBe(201);
    expect(await desk.heldOf('ORDERED')).toEqual({ reserved: 0, holds: 0 });
    expect(await desk.storedStatus(id)).toEqual({ status: 'active', version: 1 });
  });

  it('gets what overdue reservations have held: a reservation', async () => {
    await overdue('RESERVED', 3);
    expect((await desk.reserve([['RESERVED', 2]])).status).toBe(201);
    expect(await desk.heldOf('RESERVED')).toEqual({ reserved: 2, holds: 2 });
  });

  it('gets what overdue reservations have held: an order that failed and is redriven', async () => {
    await daybook.createProduct('REDRIVEN', 3);
    const { id } = (await order('REDRIVEN', 3)).body;
    const move = (status: string) => daybook.api('PATCH', `/orders/${id}`, { body: { status } });
    for (const status of ['processing', 'failed']) await move(status);
    await desk.hold([['REDRIVEN', 2]], { ttlSeconds: TTL_SECONDS });
    expectProblem(await move('pending'), 409, 'insufficient_stock');
    await pass(TTL_SECONDS);
    expect((await move('pending')).body).toMatchObject({ status: 'pending', version: 4 });
    expect(await desk.stockOf('REDRIVEN')).toMatchObject({ reserved: 0, allocated: 3, available: 0 });
    expect(await desk.heldOf('REDRIVEN')).toEqual({ reserved: 0, holds: 0 });
  });

  it('leaves what is not overdue, and is told what is left over', async () => {
    await overdue('MIXED', 2, 5);
    const open = await desk.hold([['MIXED', 2]]);
    const refused = expectProblem(await order('MIXED', 4), 409, 'insufficient_stock');
    expect(refused['lines']).toEqual([{ sku: 'MIXED', requested: 4, available: 3 }]);
    expect((await order('MIXED', 3)).status).toBe(201);
    expect(await desk.heldOf('MIXED')).toEqual({ reserved: 2, holds: 2 });
    expect((await desk.consume(open)).status).toBe(201);
  });

  it('ends the holds of that product only; the expiry gives back the others, and is journaled once', async () => {
    await daybook.createProduct('SHORT', 1);
    await daybook.createProduct('PLENTY', 9);
    const id = await desk.hold(
      [
        ['SHORT', 1],
        ['PLENTY', 4],
      ],
      { ttlSeconds: TTL_SECONDS },
    );
    await pass(TTL_SECONDS);
    expect((await order('SHORT', 1)).status).toBe(201);
    expect(await desk.heldOf('SHORT')).toEqual({ reserved: 0, holds: 0 });
    expect(await desk.heldOf('PLENTY')).toEqual({ reserved: 4, holds: 4 });
    await writeExpiriesDown();
    expect(await desk.heldOf('SHORT')).toEqual({ reserved: 0, holds: 0 });
    expect(await desk.heldOf('PLENTY')).toEqual({ reserved: 0, holds: 0 });
    expect(await desk.journalOf(id)).toMatchObject([
      { type: 'reservation.created', version: 1 },
      { type: 'reservation.expired', version: 2, actor: 'daybook', request_id: 'sweep' },
    ]);
    expect(await writeExpiriesDown()).toBe(0);
  });

  it('does not need the holds that are overdue when there is enough without them', async () => {
    await overdue('ENOUGH', 2, 5);
    expect((await order('ENOUGH', 3)).status).toBe(201);
    expect(await desk.heldOf('ENOUGH')).toEqual({ reserved: 2, holds: 2 });
  });
});

describe('stock on hand', () => {
  it('can be counted down to what overdue reservations have blocked', async () => {
    await overdue('COUNTED', 3, 5);
    const { status, body } = await adjust('COUNTED', -4);
    expect(status).toBe(201);
    expect(body).toMatchObject({ onHand: 1, reserved: 0, allocated: 0, available: 1 });
    expect(await desk.heldOf('COUNTED')).toEqual({ reserved: 0, holds: 0 });
  });

  it('cannot be counted down to what others still hold', async () => {
    await overdue('BLOCKED', 3, 10);
    await desk.hold([['BLOCKED', 4]]);
    await desk.leavingNoTrace(async () => {
      const refused = expectProblem(await adjust('BLOCKED', -7), 409, 'insufficient_stock');
      expect(refused['lines']).toEqual([{ sku: 'BLOCKED', requested: 7, available: 6 }]);
    });
    expect((await adjust('BLOCKED', -6)).body).toMatchObject({ onHand: 4, reserved: 4, available: 0 });
  });
});

it('an expiry that is written down while the order of it is placed ends it in one way', async () => {
  await daybook.createProduct('RACED', 40);
  const ids = await Promise.all(
    Array.from({ length: 20 }, () => desk.hold([['RACED', 2]], { ttlSeconds: TTL_SECONDS })),
  );
  await pass(TTL_SECONDS - 1);
  const key = randomUUID();
  const [answers] = await Promise.all([
    Promise.all(ids.map((id) => desk.consume(id, {}, { key: `${key}/${id}` }))),
    pass(1).then(writeExpiriesDown),
  ]);
  await writeExpiriesDown();
  const consumed = answers.filter(({ status }) => status === 201).length;
  expect(answers.filter(({ body }) => body.code === 'reservation_not_active')).toHaveLength(20 - consumed);
  expect(await desk.stockOf('RACED')).toMatchObject({ reserved: 0, allocated: consumed * 2 });
});
