import { startTestApp, type TestApp } from '../support/app.js';

let daybook: TestApp;

beforeAll(async () => {
  daybook = await startTestApp();
});
afterAll(() => daybook.stop());

describe('placing an order', () => {
  it('numbers it, allocates its stock, journals it and answers with all of it', async () => {
    await daybook.createProduct('TEA', 5, 1250);
    const placed = await daybook.api('POST', '/orders', { body: { lines: [{ sku: 'TEA', quantity: 2 }] } });
    const id = `${new Date().toISOString().slice(0, 10).replaceAll('-', '')}-00001`;
    expect(placed.status).toBe(201);
    expect(placed.headers.get('location')).toBe(`/api/v1/orders/${id}`);
    expect(placed.headers.get('etag')).toBe('"1"');
    expect(placed.body).toEqual({
      id,
      status: 'pending',
      customerId: 'operator-1',
      clientOrderId: null,
      priority: 'normal',
      currency: 'USD',
      totalCents: 2500,
      lines: [
        {
          sku: 'TEA',
          name: 'Product TEA',
          quantity: 2,
          unitPriceCents: 1250,
          lineTotalCents: 2500,
          allocations: [{ warehouse: 'main', quantity: 2 }],
        },
      ],
      reservationId: null,
      placedAt: placed.body.updatedAt,
      updatedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      version: 1,
    });
    expect((await daybook.api('GET', `/orders/${id}`)).body).toEqual(placed.body);
    const stock = await daybook.api('GET', '/products/TEA/stock');
    expect(stock.body).toMatchObject({ onHand: 5, reserved: 0, allocated: 2, available: 3 });
    const audit = await daybook.api('GET', `/orders/${id}/audit`);
    expect(audit.body.data).toMatchObject([{ type: 'order.placed', actor: 'operator-1', version: 1 }]);
  });
});
