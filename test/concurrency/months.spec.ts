import { expectHealthy } from '../support/doctor.js';
import { expectStatus, type Fleet, startFleet } from '../support/fleet.js';

const ORDERS = 64;

let fleet: Fleet;

beforeAll(async () => {
  // No scheduler: nobody makes a month ahead of time, except for what each server does when it starts.
  const environment = { DAYBOOK_ROLES: 'api', DATABASE_POOL_SIZE: '8' };
  fleet = await startFleet([environment, environment]);
  await fleet.createProduct('TEA', 100_000);
});
afterAll(() => fleet.stop());
afterEach(() => expectHealthy(fleet.database.url));

const makeItBe = (time: string) => fleet.database.shiftTime(`${Date.parse(time) - Date.now()} milliseconds`);

const place = (server: number) =>
  expectStatus(201, fleet.ask(server, 'POST', '/orders', { body: { lines: [{ sku: 'TEA', quantity: 1 }] } }));

/** By table, how many rows of it are in a month. */
const rowsIn = async (month: string) => {
  const [row] = await fleet.database.query(
    `SELECT (SELECT count(*)::int FROM orders_${month}) AS orders,
       (SELECT count(*)::int FROM order_lines_${month}) AS lines,
       (SELECT count(*)::int FROM order_allocations_${month}) AS allocations,
       (SELECT count(*)::int FROM journal_${month}) AS entries`,
  );
  return row;
};

const all = (count: number) => ({ orders: count, lines: count, allocations: count, entries: count });

describe('a month that nobody has made', () => {
  it(`is made by the first of ${ORDERS} orders at two servers, and none of them is refused`, async () => {
    await makeItBe('2031-03-15T12:00:00Z');
    const answers = await Promise.all(Array.from({ length: ORDERS }, (_, index) => place(index)));
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(ORDERS);
    expect(await rowsIn('203103')).toEqual(all(ORDERS));
  });

  it('is made by the first entry of the journal, whatever that tells of', async () => {
    await makeItBe('2031-04-15T12:00:00Z');
    await Promise.all(
      Array.from({ length: ORDERS }, (_, index) =>
        expectStatus(
          201,
          fleet.ask(index, 'POST', '/products', {
            body: { sku: `CUP-${index}`, name: 'Cup', priceCents: 1 },
          }),
        ),
      ),
    );
    expect(await rowsIn('203104')).toEqual({ ...all(0), entries: ORDERS });
  });

  it('is made by a move of orders of an earlier month', async () => {
    await makeItBe('2031-05-15T12:00:00Z');
    const placed = await Promise.all(Array.from({ length: ORDERS }, (_, index) => place(index)));
    await makeItBe('2031-06-15T12:00:00Z');
    await Promise.all(
      placed.map(({ body }, index) =>
        expectStatus(200, fleet.ask(index, 'PATCH', `/orders/${body.id}`, { body: { status: 'cancelled' } })),
      ),
    );
    expect(await rowsIn('203105')).toEqual(all(ORDERS));
    expect(await rowsIn('203106')).toEqual({ ...all(0), entries: ORDERS });
  });

  it('is made whether time jumps ahead or back', async () => {
    for (const time of ['2035-01-15T12:00:00Z', '2032-12-15T12:00:00Z', '2040-02-15T12:00:00Z']) {
      await makeItBe(time);
      const { body } = await place(0);
      expect(body.id.slice(0, 8)).toBe(time.slice(0, 10).replaceAll('-', ''));
      expect(await rowsIn(time.slice(0, 7).replace('-', ''))).toEqual(all(1));
      const trail = await fleet.ask(1, 'GET', `/orders/${body.id}/audit`);
      expect(trail.body.data).toHaveLength(1);
    }
  });

  it('is made at midnight while orders arrive', async () => {
    await makeItBe('2033-07-31T23:59:58Z');
    const days = new Set<string>();
    while (days.size < 2) {
      const answers = await Promise.all(Array.from({ length: 8 }, (_, index) => place(index)));
      for (const { body } of answers) days.add(body.id.slice(0, 8));
    }
    expect([...days]).toEqual(['20330731', '20330801']);
  });
});
