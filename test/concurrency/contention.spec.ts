import type { TestResponse } from '../support/app.js';
import { expectHealthy } from '../support/doctor.js';
import { expectStatus, type Fleet, startFleet } from '../support/fleet.js';

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet([{}, {}]);
});
afterEach(() => expectHealthy(fleet.database.url));
afterAll(() => fleet.stop());

const order = (...lines: readonly (readonly [sku: string, quantity: number])[]) => ({
  lines: lines.map(([sku, quantity]) => ({ sku, quantity })),
});

const place = (server: number, body: object, key?: string) =>
  fleet.ask(server, 'POST', '/orders', {
    body,
    ...(key !== undefined && { headers: { 'idempotency-key': key } }),
  });

const move = (server: number, id: string, status: string, version?: number) =>
  fleet.ask(server, 'PATCH', `/orders/${id}`, {
    body: { status },
    ...(version !== undefined && { headers: { 'if-match': `"${version}"` } }),
  });

async function stockOf(sku: string) {
  const { onHand, reserved, allocated, available } = (await fleet.ask(0, 'GET', `/products/${sku}/stock`))
    .body;
  return { onHand, reserved, allocated, available };
}

/** How many answers there are of each kind: `201`, `409 insufficient_stock`. */
function kindsOf(answers: readonly TestResponse[]): Record<string, number> {
  const kinds: Record<string, number> = {};
  for (const { status, body } of answers) {
    const kind = status < 400 ? `${status}` : `${status} ${body.code}`;
    kinds[kind] = (kinds[kind] ?? 0) + 1;
  }
  return kinds;
}

const times = <T>(n: number, make: (index: number) => Promise<T>) =>
  Promise.all(Array.from({ length: n }, (_, index) => make(index)));

describe('one product that everybody wants', () => {
  it('is sold to the last piece and no further: 1,000 orders at once for 100 pieces', async () => {
    await fleet.createProduct('HOT', 100);
    const answers = await times(1_000, (client) => place(client, order(['HOT', 1])));
    expect(kindsOf(answers)).toEqual({ '201': 100, '409 insufficient_stock': 900 });
    const shortages = answers.filter(({ status }) => status === 409).map(({ body }) => body.lines);
    expect(shortages).toEqual(shortages.map(() => [{ sku: 'HOT', requested: 1, available: 0 }]));
    expect(await stockOf('HOT')).toEqual({ onHand: 100, reserved: 0, allocated: 100, available: 0 });
  });

  it('tells each refused order how much there was left for it', async () => {
    await fleet.createProduct('WARM', 10);
    const answers = await times(40, (client) => place(client, order(['WARM', 4])));
    expect(kindsOf(answers)).toEqual({ '201': 2, '409 insufficient_stock': 38 });
    const shortages = answers.filter(({ status }) => status === 409).map(({ body }) => body.lines);
    expect(shortages).toEqual(shortages.map(() => [{ sku: 'WARM', requested: 4, available: 2 }]));
  });

  it('cannot be exceeded by naming it on two lines', async () => {
    await fleet.createProduct('TWICE', 5);
    const refused = await place(0, order(['TWICE', 3], ['TWICE', 3]));
    expect(refused.status).toBe(409);
    expect(refused.body.lines).toEqual([{ sku: 'TWICE', requested: 6, available: 5 }]);
    const answers = await times(20, (client) => place(client, order(['TWICE', 2], ['TWICE', 1])));
    expect(kindsOf(answers)).toEqual({ '201': 1, '409 insufficient_stock': 19 });
    expect(await stockOf('TWICE')).toMatchObject({ allocated: 3, available: 2 });
  });

  it('is sold again as often as it is given back', async () => {
    await fleet.createProduct('RETURNING', 5);
    const buyAndReturn = async (client: number) => {
      let bought = 0;
      for (let attempt = 0; attempt < 8; attempt += 1) {
        const placed = await place(client, order(['RETURNING', 1]));
        if (placed.status === 409) continue;
        bought += 1;
        await expectStatus(200, move(client + 1, placed.body.id, 'cancelled'));
      }
      return bought;
    };
    const bought = await times(20, buyAndReturn);
    expect(bought.reduce((sum, n) => sum + n, 0)).toBeGreaterThan(5);
    expect(await stockOf('RETURNING')).toEqual({ onHand: 5, reserved: 0, allocated: 0, available: 5 });
  });
});

describe('two products ordered in opposite order', () => {
  it('never make two processes wait for each other in a circle', async () => {
    await fleet.createProduct('LEFT', 100_000);
    await fleet.createProduct('RIGHT', 100_000);
    const [there, back] = [order(['LEFT', 1], ['RIGHT', 1]), order(['RIGHT', 1], ['LEFT', 1])];
    const client = async (index: number) => {
      const kinds: string[] = [];
      for (let round = 0; round < 10; round += 1) {
        const placed = await place(index, (index + round) % 4 < 2 ? there : back);
        kinds.push(`placed ${placed.status}`);
        // Orders are locked before stock here, and new ones after it: that must not make a circle either.
        if (round % 2 === 0)
          kinds.push(`moved ${(await move(index + 1, placed.body.id, 'cancelled')).status}`);
      }
      return kinds;
    };
    const kinds = (await times(32, client)).flat();
    expect([...new Set(kinds)].sort()).toEqual(['moved 200', 'placed 201']);
    const [seen] = await fleet.database.query<{ deadlocks: string }>(
      'SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()',
    );
    expect(seen).toEqual({ deadlocks: '0' });
  });
});

describe('one idempotency key', () => {
  const facts = ({ status, text, headers }: TestResponse) => ({
    status,
    text,
    location: headers.get('location'),
    etag: headers.get('etag'),
  });

  it.each([
    { where: 'in one process', serverOf: () => 0 },
    { where: 'in two processes', serverOf: (client: number) => client },
  ])('sent 100 times at once $where makes one order and 100 equal answers', async ({ where, serverOf }) => {
    const sku = where.replaceAll(' ', '-');
    await fleet.createProduct(sku, 1_000);
    const answers = await times(100, (client) => place(serverOf(client), order([sku, 1]), `key ${where}`));
    const [first] = answers as [TestResponse];
    expect(first.status).toBe(201);
    expect(answers.map(facts)).toEqual(answers.map(() => facts(first)));
    expect(answers.filter(({ headers }) => headers.get('idempotent-replayed') === null)).toHaveLength(1);
    expect(await stockOf(sku)).toMatchObject({ allocated: 1 });
  });

  it('is never answered with the shortage that its own order made', async () => {
    for (let round = 0; round < 15; round += 1) {
      const sku = `LAST-${round}`;
      await fleet.createProduct(sku, 1);
      const answers = await times(20, (client) => place(client, order([sku, 1]), `key for ${sku}`));
      expect(kindsOf(answers)).toEqual({ '201': 20 });
      expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    }
  });

  it('is never answered with the name that its own order took', async () => {
    await fleet.createProduct('NAMED', 1_000);
    for (let round = 0; round < 15; round += 1) {
      const body = { ...order(['NAMED', 1]), clientOrderId: `cart-${round}` };
      const answers = await times(20, (client) => place(client, body, `key for cart-${round}`));
      expect(kindsOf(answers)).toEqual({ '201': 20 });
      expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    }
  });

  it('with another body is refused, whichever of the two came first', async () => {
    await fleet.createProduct('BODY', 1_000);
    const quantityOf = (client: number) => (client < 50 ? 1 : 2);
    const answers = await times(100, (client) =>
      place(client, order(['BODY', quantityOf(client)]), 'two bodies'),
    );
    expect(kindsOf(answers)).toEqual({ '201': 50, '422 idempotency_key_reused': 50 });
    const accepted = answers.flatMap(({ status }, client) => (status === 201 ? [quantityOf(client)] : []));
    expect(new Set(accepted).size).toBe(1);
    expect(await stockOf('BODY')).toMatchObject({ allocated: accepted[0] });
    const late = await place(1, order(['BODY', 3]), 'two bodies');
    expect(late.body).toMatchObject({ status: 422, code: 'idempotency_key_reused' });
  });

  it('may be used for another order when its order was refused', async () => {
    await fleet.createProduct('FEW', 1);
    expect((await place(0, order(['FEW', 2]), 'refused')).status).toBe(409);
    expect((await place(1, order(['FEW', 1]), 'refused')).status).toBe(201);
  });

  it('belongs to its caller', async () => {
    await fleet.createProduct('OWN', 1_000);
    const { tokenFor } = await import('../support/app.js');
    const tokens = await times(10, (caller) => tokenFor(`caller-${caller}`, 'customer'));
    const ask = (client: number) =>
      fleet.ask(client, 'POST', '/orders', {
        body: order(['OWN', 1]),
        headers: { 'idempotency-key': 'the same' },
        token: tokens[client % 10] as string,
      });
    const answers = await times(40, ask);
    expect(kindsOf(answers)).toEqual({ '201': 40 });
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(10);
    expect(answers.map(({ body }) => body.customerId)).toEqual(
      answers.map((_, client) => `caller-${client % 10}`),
    );
  });
});

describe('one order', () => {
  const placed = async (sku: string, quantity = 1) =>
    (await expectStatus(201, place(0, order([sku, quantity])))).body.id as string;

  beforeAll(() => fleet.createProduct('MOVED', 1_000));

  it('cancelled by 50 at once is cancelled once', async () => {
    const id = await placed('MOVED', 7);
    const { allocated } = await stockOf('MOVED');
    const answers = await times(50, (client) => move(client, id, 'cancelled'));
    expect(kindsOf(answers)).toEqual({ '200': 1, '409 illegal_transition': 49 });
    expect((await fleet.ask(0, 'GET', `/orders/${id}`)).body).toMatchObject({
      status: 'cancelled',
      version: 2,
    });
    expect(await stockOf('MOVED')).toMatchObject({ allocated: allocated - 7 });
    expect((await fleet.ask(0, 'GET', `/orders/${id}/audit`)).body.data).toHaveLength(2);
  });

  it('changed by 50 who all saw the same version is changed by one of them', async () => {
    const id = await placed('MOVED');
    const answers = await times(50, (client) => move(client, id, client % 3 ? 'processing' : 'cancelled', 1));
    expect(kindsOf(answers)).toEqual({ '200': 1, '412 version_conflict': 49 });
    const refused = answers.filter(({ status }) => status === 412).map(({ body }) => body.currentVersion);
    expect([...new Set(refused)]).toEqual([2]);
    const [winner] = answers.filter(({ status }) => status === 200).map(({ body }) => body);
    expect((await fleet.ask(1, 'GET', `/orders/${id}`)).body).toEqual(winner);
  });

  it('cancelled while it is shipped is one of the two, and its stock agrees', async () => {
    await fleet.createProduct('RACE', 100);
    const ids = await times(30, async (client) => {
      const id = await placed('RACE', 2);
      for (const status of ['processing', 'confirmed']) await expectStatus(200, move(client, id, status));
      return id;
    });
    const races = await times(30, (index) => {
      const id = ids[index] as string;
      return Promise.all([move(index, id, 'cancelled'), move(index + 1, id, 'shipped')]);
    });
    expect(races.map(kindsOf)).toEqual(races.map(() => ({ '200': 1, '409 illegal_transition': 1 })));
    const shipped = races.flat().filter(({ body }) => body.status === 'shipped').length;
    expect(await stockOf('RACE')).toEqual({
      onHand: 100 - 2 * shipped,
      reserved: 0,
      allocated: 0,
      available: 100 - 2 * shipped,
    });
  });
});
