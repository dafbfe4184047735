import { startTestApp, type TestApp, type TestResponse } from '../support/app.js';
import { expectInvalid, expectProblem } from '../support/problem.js';

let daybook: TestApp;

beforeAll(async () => {
  daybook = await startTestApp();
  await daybook.createProduct('TEA', 100_000, 1250);
});
afterAll(() => daybook.stop());

const lines = [{ sku: 'TEA', quantity: 1 }];
const as = (caller: 'operator' | 'admin' | 'alice' | 'bob', method: string, path: string, body?: object) =>
  daybook.api(method, path, { token: daybook.tokens[caller], ...(body && { body }) });
const move = (id: string, status: string) => daybook.api('PATCH', `/orders/${id}`, { body: { status } });

async function place(caller: 'operator' | 'alice' | 'bob' = 'operator', more: object = {}): Promise<string> {
  const { status, body, text } = await as(caller, 'POST', '/orders', { lines, ...more });
  if (status !== 201) throw new Error(text);
  return body.id;
}

describe('reading an order', () => {
  it('gives what placing it answered, with its version as entity tag', async () => {
    const placed = await as('alice', 'POST', '/orders', {
      lines,
      priority: 'high',
      clientOrderId: 'Cart 4711',
    });
    expect(placed.body).toMatchObject({ customerId: 'alice', priority: 'high', clientOrderId: 'Cart 4711' });
    const path = placed.headers.get('location')?.replace('/api/v1', '') ?? '';
    const read = await as('alice', 'GET', path);
    expect(read).toMatchObject({ status: 200, body: placed.body });
    expect(read.headers.get('etag')).toBe('"1"');
    await move(placed.body.id, 'processing');
    expect((await as('alice', 'GET', path)).headers.get('etag')).toBe('"2"');
  });

  it('gives only the status to who asks only for that', async () => {
    const id = await place();
    await move(id, 'processing');
    const { body: order } = await as('operator', 'GET', `/orders/${id}`);
    const read = await as('operator', 'GET', `/orders/${id}/status`);
    expect(read.body).toEqual({ id, status: 'processing', version: 2, updatedAt: order.updatedAt });
    expect(read.headers.get('etag')).toBe('"2"');
  });

  it('tells each caller the moves that are theirs to make', async () => {
    const id = await place('alice');
    const transitions = async (caller: 'operator' | 'admin' | 'alice') =>
      (await as(caller, 'GET', `/orders/${id}/transitions`)).body;
    const all = { status: 'pending', version: 1, allowed: ['processing', 'cancelled'] };
    expect(await transitions('operator')).toEqual(all);
    expect(await transitions('admin')).toEqual(all);
    expect(await transitions('alice')).toEqual({ ...all, allowed: ['cancelled'] });
    await move(id, 'processing');
    expect(await transitions('alice')).toEqual({ status: 'processing', version: 2, allowed: [] });
  });

  it.each(['', '/status', '/transitions'])(
    "that is another customer's, at …%s, finds nothing",
    async (part) => {
      const id = await place('alice');
      const refused = expectProblem(await as('bob', 'GET', `/orders/${id}${part}`), 404, 'not_found');
      expect(refused.detail).toBe(`There is no order ${id}.`);
      expect((await as('operator', 'GET', `/orders/${id}${part}`)).status).toBe(200);
    },
  );

  it.each([
    '20261120-99999',
    '00000000-00000',
    '99999999-9999999999',
    '1',
    '20261120-1',
    'X20261120-00001',
    '٢',
  ])('with the number %s, which no order has, finds nothing', async (id) => {
    for (const part of ['', '/status', '/transitions', '/audit']) {
      expectProblem(
        await as('operator', 'GET', `/orders/${encodeURIComponent(id)}${part}`),
        404,
        'not_found',
      );
    }
  });
});

describe('the audit trail of an order', () => {
  it('has a row for each version, oldest first, with who, by which request and why', async () => {
    const body = { lines, customerId: 'alice' };
    const id = (await daybook.api('POST', '/orders', { body, headers: { 'x-request-id': 'placing' } })).body
      .id;
    await daybook.api('PATCH', `/orders/${id}`, {
      token: daybook.tokens.alice,
      body: { status: 'cancelled', reason: 'Changed my mind' },
      headers: { 'x-request-id': 'cancelling' },
    });
    const { body: audit } = await as('operator', 'GET', `/orders/${id}/audit`);
    const order = { entityType: 'order', entityId: id };
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(audit).toEqual({
      data: [
        {
          ...{ position: expect.stringMatching(/^\d+$/), ...order, version: 1, type: 'order.placed' },
          ...{ occurredAt: time, actor: 'operator-1', requestId: 'placing' },
          data: {
            after: expect.objectContaining({ status: 'pending', customerId: 'alice', totalCents: 1250 }),
          },
        },
        {
          ...{ position: expect.stringMatching(/^\d+$/), ...order, version: 2, type: 'order.status_changed' },
          ...{ occurredAt: time, actor: 'alice', requestId: 'cancelling' },
          data: { before: { status: 'pending' }, after: { status: 'cancelled' }, reason: 'Changed my mind' },
        },
      ],
      nextCursor: null,
    });
  });

  it('is walked by cursor once through, and its cursors are for this order alone', async () => {
    const [id, other] = [await place(), await place()];
    for (let round = 0; round < 3; round += 1) {
      await move(id, 'processing');
      await move(id, 'pending');
    }
    const seen: number[] = [];
    for (let cursor = ''; ;) {
      const { body } = await as(
        'operator',
        'GET',
        `/orders/${id}/audit?limit=3${cursor && `&cursor=${cursor}`}`,
      );
      seen.push(...body.data.map(({ version }: { version: number }) => version));
      if (body.nextCursor === null) break;
      cursor = body.nextCursor;
      expectInvalid(await as('operator', 'GET', `/orders/${other}/audit?cursor=${cursor}`), 'cursor');
    }
    expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });
});

describe('the list of orders', () => {
  /** Follows the Link headers from `path` to the end; `between` runs after each page. */
  async function walk(path: string, token: string, between = async (): Promise<unknown> => undefined) {
    const ids: string[] = [];
    for (let next: string | undefined = path; next !== undefined;) {
      const { body, headers }: TestResponse = await daybook.api('GET', next, { token });
      ids.push(...body.data.map(({ id }: { id: string }) => id));
      next = /^<\/api\/v1(.*)>; rel="next"$/.exec(headers.get('link') ?? '')?.[1];
      expect(next?.includes(`cursor=${body.nextCursor}`) ?? body.nextCursor === null).toBe(true);
      await between();
    }
    return ids;
  }
  const everyId = async (condition = 'true') =>
    (
      await daybook.database.query<{ id: string }>(
        `SELECT id::text FROM orders WHERE ${condition} ORDER BY id DESC`,
      )
    ).map(({ id }) => `${id.slice(0, 8)}-${id.slice(-5)}`);

  beforeAll(async () => {
    await Promise.all(Array.from({ length: 25 }, (_, index) => place(index % 5 === 0 ? 'bob' : 'alice')));
  });

  it.each([1, 7, 50, 200])('has every order once, newest first, %i a page', async (limit) => {
    expect(await walk(`/orders?limit=${limit}`, daybook.tokens.operator)).toEqual(await everyId());
  });

  it('has 50 orders a page unless told otherwise', async () => {
    await Promise.all(Array.from({ length: 30 }, () => place()));
    const { body } = await as('operator', 'GET', '/orders');
    expect(body.data).toHaveLength(50);
    expect(body.nextCursor).not.toBeNull();
  });

  it('gives whole orders, as reading them one by one does', async () => {
    const { data } = (await as('operator', 'GET', '/orders?limit=3')).body;
    for (const order of data)
      expect((await as('operator', 'GET', `/orders/${order.id}`)).body).toEqual(order);
  });

  it('loses and repeats nothing that was there when the walk began, while new orders are placed', async () => {
    const before = await everyId();
    const walked = await walk('/orders?limit=4', daybook.tokens.operator, () =>
      Promise.all([place(), place('bob')]),
    );
    expect(walked).toEqual(before);
    expect((await everyId()).length).toBeGreaterThan(before.length + 20);
  });

  it('shows customers their own orders only, whatever they filter by', async () => {
    const [ofAlice, ofBob] = await Promise.all(
      ['alice', 'bob'].map((name) => everyId(`customer_id = '${name}'`)),
    );
    expect(ofBob?.length).toBeGreaterThan(4);
    expect(await walk('/orders?limit=6', daybook.tokens.alice)).toEqual(ofAlice);
    expect(await walk('/orders?limit=2&customerId=bob', daybook.tokens.bob)).toEqual(ofBob);
    expect(await walk('/orders?customerId=alice', daybook.tokens.bob)).toEqual([]);
  });

  it('shows operators the orders of the customer they ask for', async () => {
    expect(await walk('/orders?customerId=bob&limit=3', daybook.tokens.operator)).toEqual(
      await everyId(`customer_id = 'bob'`),
    );
    expect(await walk('/orders?customerId=nobody', daybook.tokens.operator)).toEqual([]);
  });

  it("refuses a cursor that was made for other filters, or on another caller's list", async () => {
    const cursorOf = async (caller: 'operator' | 'alice', query: string) =>
      (await as(caller, 'GET', `/orders?limit=2${query}`)).body.nextCursor as string;
    const ofAlice = await cursorOf('alice', '');
    const ofAll = await cursorOf('operator', '');
    const ofBob = await cursorOf('operator', '&customerId=bob');
    expectInvalid(await as('bob', 'GET', `/orders?cursor=${ofAlice}`), 'cursor');
    expectInvalid(await as('alice', 'GET', `/orders?cursor=${ofAll}`), 'cursor');
    expectInvalid(await as('operator', 'GET', `/orders?cursor=${ofBob}`), 'cursor');
    expectInvalid(await as('operator', 'GET', `/orders?cursor=${ofBob}&customerId=alice`), 'cursor');
    expect((await as('admin', 'GET', `/orders?cursor=${ofAll}&limit=9`)).status).toBe(200);
  });
});
