import { startTestApp, type TestApp } from '../support/app.js';
import { ReservationDesk } from '../support/reservation-desk.js';

describe.each([
  ['fewest-parcels', ['south:4'], ['main:1', 'south:3'], { main: [1, 0], south: [7, 0] }],
  ['by-priority', ['main:3 south:1'], ['south:1', 'south:3'], { main: [3, 0], south: [5, 0] }],
])('a reservation, with several warehouses and the strategy %s', (strategy, whole, lines, held) => {
  let daybook: TestApp;

  beforeAll(async () => {
    daybook = await startTestApp({ ALLOCATION_STRATEGY: strategy });
    await daybook.api('POST', '/warehouses', { body: { code: 'south', name: 'South', priority: 500 } });
    await daybook.createProduct('SPREAD', 3);
    const body = { sku: 'SPREAD', warehouse: 'south', quantityDelta: 7, reason: 'received' };
    await daybook.api('POST', '/stock-adjustments', { body });
  });
  afterAll(() => daybook.stop());

  it('holds the stock where an order would get it, line by line', async () => {
    const desk = new ReservationDesk(daybook);
    const reserve = async (...quantities: number[]) => {
      const { body } = await desk.reserve(quantities.map((quantity) => ['SPREAD', quantity] as const));
      return body.lines.map(({ allocations }: { allocations: { warehouse: string; quantity: number }[] }) =>
        allocations.map(({ warehouse, quantity }) => `${warehouse}:${quantity}`).join(' '),
      );
    };
    expect(await reserve(4)).toEqual(whole);
    expect(await reserve(1, 3)).toEqual(lines);
    const { warehouses } = await desk.stockOf('SPREAD');
    const levels = warehouses.map(
      ({ warehouse, reserved, allocated }: { warehouse: string; reserved: number; allocated: number }) => [
        warehouse,
        [reserved, allocated],
      ],
    );
    expect(Object.fromEntries(levels)).toEqual(held);
    expect(await desk.heldOf('SPREAD')).toEqual({ reserved: 8, holds: 8 });
  });
});
