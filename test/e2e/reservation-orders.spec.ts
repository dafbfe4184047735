import { startTestApp, type TestApp } from '../support/app.js';
import { expectInvalid, expectProblem } from '../support/problem.js';
import { bytesOf, isReplay, linesOf, ReservationDesk } from '../support/reservation-desk.js';

const UNKNOWN = '01a1fa71-0000-7000-8000-000000000000';

let daybook: TestApp;
let desk: ReservationDesk;

beforeAll(async () => {
  daybook = await startTestApp();
  desk = new ReservationDesk(daybook);
  await daybook.createProduct('TEA', 10_000);
});
afterAll(() => daybook.stop());

const holdTea = (more: object = {}, asked: object = {}) => desk.hold([['TEA', 1]], more, asked);

describe('an order for a reservation', () => {
  it('takes over what is held, which is sold out for everybody else', async () => {
    await daybook.createProduct('LAST', 3);
    const { body: made } = await desk.reserve([['LAST', 3]]);
    expectProblem(await desk.post('/orders', { lines: linesOf([['LAST', 1]]) }), 409, 'insufficient_stock');
    const placed = await desk.consume(made.id, { priority: 'high', clientOrderId: 'last-ones' });
    expect(placed.status).toBe(201);
    expect(placed.headers.get('location')).toBe(`/api/v1/orders/${placed.body.id}`);
    expect(placed.headers.get('etag')).toBe('"1"');
    expect(placed.body).toMatchObject({
      status: 'pending',
      customerId: 'alice',
      clientOrderId: 'last-ones',
      priority: 'high',
      reservationId: made.id,
      version: 1,
      lines: [{ sku: 'LAST', quantity: 3, allocations: made.lines[0].allocations }],
    });
    const order = await daybook.api('GET', `/orders/${placed.body.id}`);
    expect(order.body).toEqual(placed.body);
    expect((await desk.read(made.id)).body).toEqual({
      ...made,
      status: 'consumed',
      orderId: placed.body.id,
      updatedAt: placed.body.placedAt,
      version: 2,
    });
    expect(await desk.stockOf('LAST')).toMatchObject({ onHand: 3, reserved: 0, allocated: 3, available: 0 });
    expect(await desk.heldOf('LAST')).toEqual({ reserved: 0, holds: 0 });
  });

  it('is placed in the transaction that ends the reservation and moves the stock', async () => {
    await daybook.createProduct('ATOMIC', 1);
    const id = await desk.hold([['ATOMIC', 1]]);
    const { body } = await desk.consume(id);
    const rows = await daybook.database.query(
      `SELECT 'order' AS what, xmin::text AS xid FROM orders WHERE reservation_id = $1
       UNION ALL SELECT 'reservation', xmin::text FROM reservations WHERE id = $1
       UNION ALL SELECT 'stock', level.xmin::text FROM stock_levels level JOIN products ON products.id = product_id
         WHERE sku = 'ATOMIC'
       UNION ALL SELECT type, xid::xid::text FROM journal
         WHERE entity_id = $2 OR entity_id = $1::text AND type = 'reservation.consumed'`,
      [id, body.id],
    );
    expect(rows.map(({ what }) => what).sort()).toEqual([
      'order',
      'order.placed',
      'reservation',
      'reservation.consumed',
      'stock',
    ]);
    expect(new Set(rows.map(({ xid }) => xid)).size).toBe(1);
  });

  it('comes from the warehouses that held it, though others would be chosen by now', async () => {
    await daybook.createProduct('SPLIT', 2);
    await desk.post('/warehouses', { code: 'split', name: 'Split' }, { caller: 'operator' });
    const receive = (warehouse: string, quantityDelta: number) =>
      desk.post(
        '/stock-adjustments',
        { sku: 'SPLIT', warehouse, quantityDelta, reason: 'received' },
        { caller: 'operator' },
      );
    await receive('split', 2);
    const id = await desk.hold([
      ['SPLIT', 3],
      ['SPLIT', 1],
    ]);
    await receive('main', 100);
    const { lines } = (await desk.consume(id)).body;
    expect(lines.map(({ allocations }: { allocations: object[] }) => allocations)).toEqual([
      [
        { warehouse: 'main', quantity: 2 },
        { warehouse: 'split', quantity: 1 },
      ],
      [{ warehouse: 'split', quantity: 1 }],
    ]);
    expect((await desk.stockOf('SPLIT')).warehouses).toMatchObject([
      { warehouse: 'main', onHand: 102, reserved: 0, allocated: 2 },
      { warehouse: 'split', onHand: 2, reserved: 0, allocated: 2 },
    ]);
  });

  it('has the names and prices of the moment at which it is placed', async () => {
    await daybook.createProduct('DEARER', 9, 100);
    await daybook.createProduct('STABLE', 9, 7);
    const id = await desk.hold([
      ['DEARER', 2],
      ['STABLE', 1],
      ['DEARER', 1],
    ]);
    await daybook.api('PATCH', '/products/DEARER', { body: { name: 'Dearer now', priceCents: 250 } });
    const { body } = await desk.consume(id);
    expect(body).toMatchObject({
      totalCents: 757,
      lines: [
        { name: 'Dearer now', quantity: 2, unitPriceCents: 250, lineTotalCents: 500 },
        { name: 'Product STABLE', quantity: 1, unitPriceCents: 7, lineTotalCents: 7 },
        { name: 'Dearer now', quantity: 1, unitPriceCents: 250, lineTotalCents: 250 },
      ],
    });
    await daybook.api('PATCH', '/products/DEARER', { body: { name: 'Later', priceCents: 1 } });
    expect((await daybook.api('GET', `/orders/${body.id}`)).body).toEqual(body);
  });

  it('with a key is placed once, and answered byte for byte', async () => {
    const id = await holdTea();
    const [first, second] = [
      await desk.consume(id, { clientOrderId: 'keyed' }, { key: 'consume' }),
      await desk.consume(id, { clientOrderId: 'keyed' }, { key: 'consume' }),
    ];
    expect(first.status).toBe(201);
    expect([first, second].map(isReplay)).toEqual([false, true]);
    expect(bytesOf(second)).toEqual(bytesOf(first));
    const other = await holdTea();
    await desk.leavingNoTrace(async () => {
      expectProblem(await desk.consume(other, {}, { key: 'consume' }), 422, 'idempotency_key_reused');
    });
  });

  it('may give its id in capitals', async () => {
    const id = await holdTea();
    expect((await desk.consume(id.toUpperCase())).body).toMatchObject({ reservationId: id });
  });
});

describe('a reservation', () => {
  it('becomes one order and no second, which is told the number of the first', async () => {
    const id = await holdTea();
    const { body } = await desk.consume(id);
    await desk.leavingNoTrace(async () => {
      for (const answer of [await desk.consume(id), await desk.extend(id, 60), await desk.release(id)]) {
        expect(expectProblem(answer, 409, 'reservation_not_active')).toMatchObject({
          reservationId: id,
          reservationStatus: 'consumed',
          orderId: body.id,
        });
      }
    });
  });

  it('that ten orders want at once becomes one of them', async () => {
    const id = await holdTea();
    const answers = await Promise.all(Array.from({ length: 10 }, () => desk.consume(id)));
    const placed = answers.filter(({ status }) => status === 201);
    expect(placed).toHaveLength(1);
    for (const answer of answers.filter(({ status }) => status !== 201)) {
      const refused = expectProblem(answer, 409, 'reservation_not_active');
      expect(refused['orderId']).toBe(placed[0]?.body.id);
    }
  });

  it('that is consumed, released and extended at once ends in one way', async () => {
    await daybook.createProduct('CONTESTED', 20);
    for (let round = 0; round < 10; round += 1) {
      const id = await desk.hold([['CONTESTED', 2]]);
      const [placed, released] = await Promise.all([
        desk.consume(id),
        desk.release(id),
        desk.extend(id, 900),
      ]);
      expect([placed.status, released.status].sort()).toEqual([placed.status === 201 ? 201 : 200, 409]);
      if (placed.status === 201) {
        await daybook.api('PATCH', `/orders/${placed.body.id}`, { body: { status: 'cancelled' } });
      }
      expect(await desk.stockOf('CONTESTED')).toMatchObject({ reserved: 0, allocated: 0, available: 20 });
    }
  });

  it('that was released cannot be ordered', async () => {
    const id = await holdTea();
    await desk.release(id);
    const refused = expectProblem(await desk.consume(id), 409, 'reservation_not_active');
    expect(refused).toMatchObject({ reservationStatus: 'released', orderId: null });
  });

  it('of another customer cannot be told from one that does not exist', async () => {
    const id = await holdTea();
    await desk.leavingNoTrace(async () => {
      const another = expectProblem(await desk.consume(id, {}, { caller: 'bob' }), 404, 'not_found');
      const none = expectProblem(await desk.consume(UNKNOWN, {}, { caller: 'bob' }), 404, 'not_found');
      expect(another.detail.replace(id, UNKNOWN)).toBe(none.detail);
    });
  });

  it('that cannot be ordered for another reason stays as it is, and can be ordered later', async () => {
    await daybook.createProduct('PAUSED', 5);
    const id = await desk.hold([['PAUSED', 2]]);
    const sell = (active: boolean) => daybook.api('PATCH', '/products/PAUSED', { body: { active } });
    await desk.consume(await holdTea(), { clientOrderId: 'taken' });
    expect((await sell(false)).status).toBe(200);
    await desk.leavingNoTrace(async () => {
      expectProblem(await desk.consume(id), 409, 'product_inactive');
    });
    await sell(true);
    await desk.leavingNoTrace(async () => {
      const refused = await desk.consume(id, { clientOrderId: 'taken' });
      expectProblem(refused, 409, 'duplicate_client_order_id');
    });
    expect((await desk.consume(id, { clientOrderId: 'free' })).status).toBe(201);
  });
});

describe('an order', () => {
  it('has either lines or a reservation', async () => {
    const reservationId = await holdTea();
    await desk.leavingNoTrace(async () => {
      expectInvalid(
        await desk.post('/orders', { reservationId, lines: linesOf([['TEA', 1]]) }),
        'reservationId',
      );
      expectInvalid(await desk.post('/orders', { reservationId, lines: [] }), 'lines');
      expectInvalid(await desk.post('/orders', { clientOrderId: 'neither' }), 'lines');
    });
  });

  it('of a bulk may be for a reservation, and each row is answered as the single route would', async () => {
    const [one, two] = [await holdTea(), await holdTea()];
    const another = await holdTea({}, { caller: 'bob' });
    const orders = [
      { reservationId: one },
      { reservationId: UNKNOWN },
      { reservationId: another },
      { reservationId: two, lines: linesOf([['TEA', 1]]) },
      { reservationId: one, clientOrderId: 'second-of-one' },
      { lines: linesOf([['TEA', 1]]) },
      { reservationId: two },
    ];
    const { results } = (await desk.post('/orders/bulk', { orders })).body;
    const orderId = results[0].order?.id;
    expect(orderId).toBeDefined();
    expect(results).toMatchObject([
      { status: 201, order: { reservationId: one } },
      { status: 404, error: { code: 'not_found' } },
      { status: 404, error: { code: 'not_found' } },
      { status: 400, error: { errors: [{ path: 'reservationId' }] } },
      { status: 409, error: { code: 'reservation_not_active', orderId } },
      { status: 201, order: { reservationId: null } },
      { status: 201, order: { reservationId: two } },
    ]);
  });

  it('by an operator is of the customer whose reservation it consumes', async () => {
    const [one, two, three] = [await holdTea(), await holdTea(), await holdTea()];
    const asOperator = { caller: 'operator' } as const;
    await desk.leavingNoTrace(async () => {
      expectProblem(await desk.consume(one, { customerId: 'bob' }, asOperator), 404, 'not_found');
      expectProblem(await desk.consume(one, { customerId: 'operator-1' }, asOperator), 404, 'not_found');
      expectProblem(await desk.consume(UNKNOWN, {}, asOperator), 404, 'not_found');
    });
    const placed = [
      await desk.consume(one, {}, asOperator),
      await desk.consume(two, { customerId: 'alice' }, asOperator),
      await desk.consume(three, {}, { caller: 'admin' }),
    ];
    expect(placed.map(({ body }) => body.customerId)).toEqual(['alice', 'alice', 'alice']);
    const id = placed[0]?.body.id;
    expect((await daybook.api('GET', `/orders/${id}`, { token: daybook.tokens.alice })).status).toBe(200);
    expect((await desk.journalOf(one))[1]).toMatchObject({ actor: 'operator-1' });
  });

  it('that came from a reservation gives its stock back once when it is cancelled', async () => {
    await daybook.createProduct('RETURNED', 5);
    const id = await desk.hold([['RETURNED', 3]]);
    const order = (await desk.consume(id)).body;
    const cancel = () => daybook.api('PATCH', `/orders/${order.id}`, { body: { status: 'cancelled' } });
    expect((await cancel()).status).toBe(200);
    const free = { onHand: 5, reserved: 0, allocated: 0, available: 5 };
    expect(await desk.stockOf('RETURNED')).toMatchObject(free);
    expectProblem(await cancel(), 409, 'illegal_transition');
    expectProblem(await desk.release(id), 409, 'reservation_not_active');
    expect(await desk.stockOf('RETURNED')).toMatchObject(free);
    expect((await desk.read(id)).body).toMatchObject({ status: 'consumed', orderId: order.id });
  });
});
