import type { TestResponse } from '../support/app.js';
import { expectStatus, type Fleet, startFleet } from '../support/fleet.js';
import { expectProblem } from '../support/problem.js';
import { expectReservationsAddUp } from '../support/reservation-books.js';

let fleet: Fleet;
let hours = 0;

// Nobody is there to expire anything: no wake-up, no sweep.
beforeAll(async () => {
  fleet = await startFleet([{ DAYBOOK_ROLES: 'api' }, { DAYBOOK_ROLES: 'api' }]);
});
afterEach(async () => {
  await expectReservationsAddUp(fleet.database);
  await expectNoExpiryWritten();
});
afterAll(() => fleet.stop());

/** Otherwise it was not the absence of a scheduler that was tried. */
async function expectNoExpiryWritten(): Promise<void> {
  const written = await fleet.database.query(`SELECT FROM reservations WHERE status = 'expired'`);
  expect(written).toEqual([]);
}

const lines = (...wanted: readonly (readonly [sku: string, quantity: number])[]) => ({
  lines: wanted.map(([sku, quantity]) => ({ sku, quantity })),
});
const reserve = (server: number, body: object) => fleet.ask(server, 'POST', '/reservations', { body });
const order = (server: number, body: object) => fleet.ask(server, 'POST', '/orders', { body });
const adjust = (sku: string, quantityDelta: number, warehouse = 'main') =>
  fleet.ask(0, 'POST', '/stock-adjustments', { body: { sku, warehouse, quantityDelta, reason: 'adjusted' } });
const stockOf = async (sku: string) => {
  const { onHand, reserved, allocated, available } = (await fleet.ask(1, 'GET', `/products/${sku}/stock`))
    .body;
  return { onHand, reserved, allocated, available };
};

/** All that is held by now is overdue after this. */
async function letTimePass(): Promise<void> {
  hours += 1;
  await fleet.database.shiftTime(`${hours} hours`);
}

/** A product of which every piece is held by somebody whose time is over. @returns the reservation */
async function overdue(sku: string, pieces: number): Promise<string> {
  await fleet.createProduct(sku, pieces);
  const { body } = await expectStatus(201, reserve(0, lines([sku, pieces])));
  expectProblem(await order(1, lines([sku, 1])), 409, 'insufficient_stock');
  await letTimePass();
  return body.id as string;
}

const times = <T>(n: number, make: (index: number) => Promise<T>) =>
  Promise.all(Array.from({ length: n }, (_, index) => make(index)));

describe('with no scheduler alive, what is held by an overdue reservation', () => {
  it('is there for an order', async () => {
    await overdue('ORDER', 5);
    await expectStatus(201, order(1, lines(['ORDER', 5])));
    expect(await stockOf('ORDER')).toEqual({ onHand: 5, reserved: 0, allocated: 5, available: 0 });
  });

  it('is there for another reservation, and not a piece more', async () => {
    await overdue('RESERVE', 5);
    const answers = await times(40, (index) => reserve(index, lines(['RESERVE', 1])));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(5);
    for (const refused of answers.filter(({ status }) => status !== 201))
      expectProblem(refused, 409, 'insufficient_stock');
    expect(await stockOf('RESERVE')).toEqual({ onHand: 5, reserved: 5, allocated: 0, available: 0 });
  });

  it('is there for orders in bulk', async () => {
    await overdue('BULK', 5);
    const orders = Array.from({ length: 6 }, () => lines(['BULK', 1]));
    const { body } = await fleet.ask(0, 'POST', '/orders/bulk', { body: { orders } });
    const statuses = body.results.map(({ status }: { status: number }) => status);
    expect(statuses).toEqual([201, 201, 201, 201, 201, 409]);
  });

  it('can be taken off the shelf by a stock adjustment, and not a piece more', async () => {
    await overdue('ADJUST', 5);
    await expectStatus(201, adjust('ADJUST', -5));
    expectProblem(await adjust('ADJUST', -1), 409, 'insufficient_stock');
    expect(await stockOf('ADJUST')).toEqual({ onHand: 0, reserved: 0, allocated: 0, available: 0 });
  });

  it('is left out of what a stock adjustment answers', async () => {
    await overdue('ANSWER', 5);
    const { body } = await expectStatus(201, adjust('ANSWER', 1));
    expect(body).toMatchObject({ onHand: 6, reserved: 0, allocated: 0, available: 6 });
    expect(await stockOf('ANSWER')).toEqual({ onHand: 6, reserved: 0, allocated: 0, available: 6 });
  });

  it('can be allocated again to an order that had failed', async () => {
    await fleet.createProduct('REDRIVE', 5);
    const { body } = await expectStatus(201, order(0, lines(['REDRIVE', 5])));
    const move = (status: string) => fleet.ask(1, 'PATCH', `/orders/${body.id}`, { body: { status } });
    for (const status of ['processing', 'failed']) await expectStatus(200, move(status));
    await expectStatus(201, reserve(0, lines(['REDRIVE', 5])));
    expectProblem(await move('pending'), 409, 'insufficient_stock');
    await letTimePass();
    await expectStatus(200, move('pending'));
    expect(await stockOf('REDRIVE')).toEqual({ onHand: 5, reserved: 0, allocated: 5, available: 0 });
  });

  it('is there in every warehouse, for orders that need them all', async () => {
    await fleet.ask(0, 'POST', '/warehouses', { body: { code: 'north', name: 'North', priority: 200 } });
    await fleet.createProduct('SPLIT', 2);
    await expectStatus(201, adjust('SPLIT', 3, 'north'));
    await expectStatus(201, reserve(0, lines(['SPLIT', 5])));
    await letTimePass();
    // Takes what is overdue in one warehouse, and leaves the other as it is.
    await expectStatus(201, adjust('SPLIT', -1, 'north'));
    await expectStatus(201, order(0, lines(['SPLIT', 4])));
    expect(await stockOf('SPLIT')).toEqual({ onHand: 4, reserved: 0, allocated: 4, available: 0 });
  });

  it('is lost to its holder, piece by piece or as a whole', async () => {
    await fleet.createProduct('KEPT', 5);
    await fleet.createProduct('LOST', 5);
    const { body } = await expectStatus(201, reserve(0, lines(['KEPT', 5], ['LOST', 5])));
    await letTimePass();
    await expectStatus(201, order(1, lines(['LOST', 1])));
    const attempts: [string, object | undefined][] = [
      ['/orders', { reservationId: body.id }],
      [`/reservations/${body.id}/extend`, { ttlSeconds: 600 }],
      [`/reservations/${body.id}/release`, undefined],
    ];
    for (const [path, content] of attempts) {
      const answer = await fleet.ask(0, 'POST', path, { body: content });
      const problem = expectProblem(answer, 409, 'reservation_not_active');
      expect(problem['reservationStatus']).toBe('expired');
    }
    expect((await fleet.ask(0, 'GET', `/reservations/${body.id}`)).body.status).toBe('expired');
    expect(await stockOf('KEPT')).toEqual({ onHand: 5, reserved: 0, allocated: 0, available: 5 });
    expect(await stockOf('LOST')).toEqual({ onHand: 5, reserved: 0, allocated: 1, available: 4 });
  });
});

describe('a backlog of 20,000 overdue holds on one product', () => {
  const BACKLOG = 20_000;

  /** As many reservations as pieces, all overdue. */
  async function pileUp(sku: string): Promise<void> {
    await fleet.createProduct(sku, BACKLOG);
    await fleet.database.query(
      `WITH made AS (
         INSERT INTO reservations (id, customer_id, status, lines, expires_at, created_at, updated_at, version)
         SELECT gen_random_uuid(), 'alice', 'active', jsonb_build_array(jsonb_build_object('productId', product.id,
             'sku', sku, 'quantity', 1, 'allocations', jsonb_build_array(jsonb_build_object('warehouseId', warehouse_id,
             'warehouse', 'main', 'quantity', 1)))),
           business_now() - make_interval(secs => n), business_now(), business_now(), 1
         FROM products product JOIN stock_levels ON product_id = product.id, generate_series(1, on_hand) AS n
         WHERE sku = $1 RETURNING id, expires_at),
       journaled AS (
         INSERT INTO journal (occurred_at, actor, request_id, type, entity_type, entity_id, version, data)
         SELECT now(), 'alice', id, 'reservation.created', 'reservation', id, 1, '{}' FROM made),
       held AS (
         INSERT INTO stock_holds (reservation_id, product_id, warehouse_id, quantity, expires_at)
         SELECT made.id, product_id, warehouse_id, 1, expires_at
         FROM made, stock_levels JOIN products product ON product.id = product_id WHERE sku = $1)
       UPDATE stock_levels SET reserved = on_hand FROM products product WHERE product.id = product_id AND sku = $1`,
      [sku],
    );
  }

  it('does not keep an order from all of it', async () => {
    await pileUp('HEAP');
    expect(await stockOf('HEAP')).toEqual({ onHand: BACKLOG, reserved: 0, allocated: 0, available: BACKLOG });
    await expectStatus(201, order(0, lines(['HEAP', BACKLOG])));
    expect(await stockOf('HEAP')).toEqual({ onHand: BACKLOG, reserved: 0, allocated: BACKLOG, available: 0 });
  });

  it('is shared by orders and reservations that come at once, at two processes', async () => {
    await pileUp('SHARED');
    const answers = await times(50, (index): Promise<TestResponse> => {
      const body = lines(['SHARED', BACKLOG / 40]);
      return index % 4 < 2 ? order(index, body) : reserve(index, body);
    });
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([...Array<number>(40).fill(201), ...Array<number>(10).fill(409)]);
    expect((await stockOf('SHARED')).available).toBe(0);
  });

  it('does not keep the shelf from being cleared', async () => {
    await pileUp('CLEARED');
    await expectStatus(201, adjust('CLEARED', -BACKLOG));
    expect(await stockOf('CLEARED')).toEqual({ onHand: 0, reserved: 0, allocated: 0, available: 0 });
  });
});
