import { startTestApp, type TestApp } from '../support/app.js';
import { expectInvalid, expectProblem } from '../support/problem.js';
import { bytesOf, isReplay, ReservationDesk } from '../support/reservation-desk.js';
import { waitFor } from '../support/wait-for.js';

const TTL_SECONDS = 90;

let daybook: TestApp;
let desk: ReservationDesk;

beforeAll(async () => {
  daybook = await startTestApp({ RESERVATION_TTL_SECONDS: String(TTL_SECONDS) });
  desk = new ReservationDesk(daybook);
});
afterAll(() => daybook.stop());

describe('a reservation', () => {
  it('holds its stock, and says all there is to know', async () => {
    await daybook.createProduct('TEA', 5);
    await daybook.createProduct('CUP', 5);
    const made = await desk.reserve([
      ['TEA', 3],
      ['CUP', 1],
    ]);
    expect(made.status).toBe(201);
    expect(made.body).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/),
      status: 'active',
      customerId: 'alice',
      expiresAt: new Date(Date.parse(made.body.createdAt) + TTL_SECONDS * 1000).toISOString(),
      lines: [
        { sku: 'TEA', quantity: 3, allocations: [{ warehouse: 'main', quantity: 3 }] },
        { sku: 'CUP', quantity: 1, allocations: [{ warehouse: 'main', quantity: 1 }] },
      ],
      orderId: null,
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      updatedAt: made.body.createdAt,
      version: 1,
    });
    expect(made.headers.get('location')).toBe(`/api/v1/reservations/${made.body.id}`);
    expect(made.headers.get('etag')).toBe('"1"');
    expect(await desk.stockOf('TEA')).toMatchObject({ onHand: 5, reserved: 3, allocated: 0, available: 2 });
    const read = await desk.read(made.body.id);
    expect(read.text).toBe(made.text);
    expect(read.headers.get('etag')).toBe('"1"');
  });

  it('is found by its id in capitals too', async () => {
    await daybook.createProduct('CAPITAL', 5);
    const id = await desk.hold([['CAPITAL', 1]]);
    expect((await desk.read(id.toUpperCase())).body).toMatchObject({ id });
    expect((await desk.extend(id.toUpperCase(), 100)).body).toMatchObject({ id, version: 2 });
    expect((await desk.release(id.toUpperCase())).body).toMatchObject({ id, status: 'released' });
  });

  it('lasts as long as it asks for', async () => {
    await daybook.createProduct('LONG', 5);
    for (const ttlSeconds of [1, 1234, 86_400]) {
      const { body } = await desk.reserve([['LONG', 1]], { ttlSeconds });
      expect(Date.parse(body.expiresAt) - Date.parse(body.createdAt)).toBe(ttlSeconds * 1000);
    }
  });

  it('expires by itself, and its expiry is written down', async () => {
    await daybook.createProduct('POT', 1);
    const id = await desk.hold([['POT', 1]], { ttlSeconds: 1 });
    await waitFor('the expiry to be written down', async () => {
      const row = await desk.storedStatus(id);
      return row?.['status'] === 'expired';
    });
    expect(await desk.heldOf('POT')).toEqual({ reserved: 0, holds: 0 });
    expect(await desk.journalOf(id)).toMatchObject([
      { type: 'reservation.created', version: 1, actor: 'alice' },
      { type: 'reservation.expired', version: 2, actor: 'daybook', request_id: 'expire-due-reservations' },
    ]);
  });

  it('made with a key is made once, and answered byte for byte', async () => {
    await daybook.createProduct('KEYED', 9);
    const [first, second] = [
      await desk.reserve([['KEYED', 2]], {}, { key: 'made' }),
      await desk.reserve([['KEYED', 2]], {}, { key: 'made' }),
    ];
    expect([first, second].map(isReplay)).toEqual([false, true]);
    expect(bytesOf(second)).toEqual(bytesOf(first));
    expect(await desk.heldOf('KEYED')).toEqual({ reserved: 2, holds: 2 });
    await desk.leavingNoTrace(async () => {
      for (const [quantities, more] of [
        [[['KEYED', 3]], {}],
        [[['KEYED', 2]], { ttlSeconds: TTL_SECONDS }],
      ] as const) {
        expectProblem(await desk.reserve(quantities, more, { key: 'made' }), 422, 'idempotency_key_reused');
      }
    });
  });

  it('is one of as many as the stock suffices for when more come at once', async () => {
    await daybook.createProduct('RUSH', 31);
    const answers = await Promise.all(Array.from({ length: 25 }, () => desk.reserve([['RUSH', 2]])));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(15);
    for (const answer of answers.filter(({ status }) => status !== 201)) {
      const refused = expectProblem(answer, 409, 'insufficient_stock');
      expect(refused['lines']).toEqual([{ sku: 'RUSH', requested: 2, available: 1 }]);
    }
    expect(await desk.heldOf('RUSH')).toEqual({ reserved: 30, holds: 30 });
  });
});

describe('a reservation that is refused leaves no trace', () => {
  const refusal = (quantities: readonly (readonly [string, number])[], more: object = {}) =>
    desk.leavingNoTrace(() => desk.reserve(quantities, more));

  it('when one of its lines is short: it lists every line that is', async () => {
    for (const [sku, stock] of [
      ['PLENTY', 100],
      ['SHORT', 2],
      ['NONE', 0],
    ] as const) {
      await daybook.createProduct(sku, stock);
    }
    const lines = [
      ['SHORT', 3],
      ['PLENTY', 1],
      ['NONE', 1],
    ] as const;
    const refused = expectProblem(await refusal(lines), 409, 'insufficient_stock');
    expect(refused['lines']).toEqual([
      { sku: 'SHORT', requested: 3, available: 2 },
      { sku: 'NONE', requested: 1, available: 0 },
    ]);
  });

  it('when two lines of a product are too much together, though neither is alone', async () => {
    await daybook.createProduct('TWICE', 5);
    const three = ['TWICE', 3] as const;
    const refused = expectProblem(await refusal([three, three]), 409, 'insufficient_stock');
    expect(refused['lines']).toEqual([{ sku: 'TWICE', requested: 6, available: 5 }]);
    const { body } = await desk.reserve([three, ['TWICE', 2]]);
    expect(body.lines).toMatchObject([
      { sku: 'TWICE', quantity: 3 },
      { sku: 'TWICE', quantity: 2 },
    ]);
    expect(await desk.heldOf('TWICE')).toEqual({ reserved: 5, holds: 5 });
  });

  it('when products are unknown: it names each of the lines', async () => {
    await daybook.createProduct('KNOWN', 5);
    const lines = ['GHOST', 'KNOWN', 'known'].map((sku) => [sku, 1] as const);
    expectInvalid(await refusal(lines), 'lines[0].sku', 'lines[2].sku');
  });

  it('when a product is not for sale', async () => {
    await daybook.createProduct('RETIRED', 5);
    await daybook.api('PATCH', '/products/RETIRED', { body: { active: false } });
    const refused = expectProblem(await refusal([['RETIRED', 1]]), 409, 'product_inactive');
    expect(refused['sku']).toBe('RETIRED');
  });

  it('when its products could not be ordered together, being priced in two currencies', async () => {
    await daybook.createProduct('DOLLAR', 9);
    const euro = { sku: 'EURO', name: 'Euro', priceCents: 100, currency: 'EUR' };
    await desk.post('/products', euro, { caller: 'operator' });
    const received = { sku: 'EURO', quantityDelta: 9, reason: 'received' };
    await desk.post('/stock-adjustments', received, { caller: 'operator' });
    const lines = ['DOLLAR', 'DOLLAR', 'EURO'].map((sku) => [sku, 1] as const);
    expect(expectInvalid(await refusal(lines), 'lines[2].sku').detail).toContain('EUR');
  });

  it('when a customer asks for another', async () => {
    await daybook.createProduct('MINE', 9);
    expectProblem(await refusal([['MINE', 1]], { customerId: 'bob' }), 403, 'forbidden');
  });
});
