import { startTestApp, type TestApp } from '../support/app.js';
import { expectProblem } from '../support/problem.js';
import { waitFor } from '../support/wait-for.js';

let daybook: TestApp;
let asAlice: { token: string };

beforeAll(async () => {
  daybook = await startTestApp();
  asAlice = { token: daybook.tokens.alice };
});
afterAll(() => daybook.stop());

const reserve = (sku: string, quantity: number, more: object = {}) =>
  daybook.api('POST', '/reservations', { ...asAlice, body: { lines: [{ sku, quantity }], ...more } });
const stockOf = async (sku: string) => (await daybook.api('GET', `/products/${sku}/stock`)).body;

describe('a reservation', () => {
  it('holds its stock, and becomes an order with the same warehouses', async () => {
    const sku = await daybook.createProduct('TEA', 5);
    const made = await reserve(sku, 3);
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({ status: 'active', customerId: 'alice', version: 1 });
    expect(made.headers.get('location')).toBe(`/api/v1/reservations/${made.body.id}`);
    expect(await stockOf(sku)).toMatchObject({ onHand: 5, reserved: 3, allocated: 0, available: 2 });
    expectProblem(await reserve(sku, 3), 409, 'insufficient_stock');
    const order = await daybook.api('POST', '/orders', { ...asAlice, body: { reservationId: made.body.id } });
    expect(order.status).toBe(201);
    expect(order.body).toMatchObject({
      reservationId: made.body.id,
      lines: [{ sku, quantity: 3, allocations: made.body.lines[0].allocations }],
    });
    expect(await stockOf(sku)).toMatchObject({ onHand: 5, reserved: 0, allocated: 3, available: 2 });
    const read = await daybook.api('GET', `/reservations/${made.body.id}`, asAlice);
    expect(read.body).toMatchObject({ status: 'consumed', orderId: order.body.id, version: 2 });
    const again = await daybook.api('POST', '/orders', { ...asAlice, body: { reservationId: made.body.id } });
    expect(expectProblem(again, 409, 'reservation_not_active')).toMatchObject({ orderId: order.body.id });
  });

  it('can be extended and released', async () => {
    const sku = await daybook.createProduct('CUP', 5);
    const { id, expiresAt } = (await reserve(sku, 3)).body;
    const extended = await daybook.api('POST', `/reservations/${id}/extend`, {
      ...asAlice,
      body: { ttlSeconds: 1200 },
    });
    expect(extended.status).toBe(200);
    expect(Date.parse(extended.body.expiresAt)).toBeGreaterThan(Date.parse(expiresAt));
    const released = await daybook.api('POST', `/reservations/${id}/release`, asAlice);
    expect(released.body).toMatchObject({ status: 'released', version: 3 });
    expect(await stockOf(sku)).toMatchObject({ reserved: 0, available: 5 });
    const again = await daybook.api('POST', `/reservations/${id}/release`, asAlice);
    expectProblem(again, 409, 'reservation_not_active');
  });

  it('expires by itself', async () => {
    const sku = await daybook.createProduct('POT', 1);
    const { id } = (await reserve(sku, 1, { ttlSeconds: 1 })).body;
    await waitFor('the expiry to be written down', async () => {
      const [row] = await daybook.database.query('SELECT status FROM reservations WHERE id = $1', [id]);
      return row?.['status'] === 'expired';
    });
    expect(await stockOf(sku)).toMatchObject({ reserved: 0, available: 1 });
    const rows = await daybook.database.query(
      `SELECT type, version FROM journal WHERE entity_id = $1 ORDER BY version`,
      [id],
    );
    expect(rows).toEqual([
      { type: 'reservation.created', version: 1 },
      { type: 'reservation.expired', version: 2 },
    ]);
  });
});
