import { startTestApp, type TestApp, type TestResponse } from '../support/app.js';
import { placeOrder } from '../support/order-desk.js';
import { expectInvalid, expectProblem } from '../support/problem.js';

let daybook: TestApp;
/** Placed by alice, cancelled by the operator. */
let order: string;

interface Entry {
  readonly position: string;
  readonly type: string;
  readonly occurredAt: string;
  readonly actor: string;
  readonly entityType: string;
  readonly entityId: string;
}

beforeAll(async () => {
  daybook = await startTestApp({ LIST_TIME_BUDGET_MS: '500' });
  for (const sku of ['TEA', 'CUP', 'POT']) await daybook.createProduct(sku, 100);
  order = await placeOrder(daybook, 'TEA', { customerId: 'alice' });
  const lines = [{ sku: 'TEA', quantity: 1 }];
  for (const caller of ['alice', 'bob'] as const)
    await daybook.api('POST', '/orders', { token: daybook.tokens[caller], body: { lines } });
  await daybook.api('PATCH', `/orders/${order}`, { body: { status: 'cancelled', reason: 'Sold out' } });
  await daybook.api('PATCH', '/products/CUP', { body: { priceCents: 5 } });
});
afterAll(() => daybook.stop());

const ask = (query: string) => daybook.api('GET', `/audit${query}`);
const entries = async (query = ''): Promise<Entry[]> => (await ask(query)).body.data;
/** The newest of the journal, as `type entityId`. */
const shown = (rows: readonly Entry[]) => rows.map(({ type, entityId }) => `${type} ${entityId}`);

describe('the audit list', () => {
  it('has everything that happened, newest first, each as the trail of its order has it', async () => {
    const all = await entries('?limit=200');
    const [{ count }] = (await daybook.database.query('SELECT count(*)::int FROM journal')) as [
      { count: number },
    ];
    expect(all).toHaveLength(count);
    const newestFirst = all.toSorted(
      (a, b) => b.occurredAt.localeCompare(a.occurredAt) || Number(b.position) - Number(a.position),
    );
    expect(all).toEqual(newestFirst);
    const trail = (await daybook.api('GET', `/orders/${order}/audit`)).body.data as Entry[];
    expect(all.filter(({ entityId }) => entityId === order)).toEqual(trail.toReversed());
  });

  it.each([
    [
      'an entity',
      () => `entityType=order&entityId=${order}`,
      () => [`order.status_changed ${order}`, `order.placed ${order}`],
    ],
    ['an id', () => `entityId=${order}`, () => [`order.status_changed ${order}`, `order.placed ${order}`]],
    [
      'a kind of entity',
      () => 'entityType=product&limit=2',
      () => ['product.changed CUP', 'product.created POT'],
    ],
    ['an actor', () => 'actor=alice', () => [expect.stringMatching(/^order\.placed /)]],
    ['a type', () => 'type=order.status_changed', () => [`order.status_changed ${order}`]],
    [
      'several at once',
      () => `actor=operator-1&type=order.placed&entityType=order`,
      () => [`order.placed ${order}`],
    ],
    ['what there is not', () => 'type=kettle.boiled', () => []],
  ])('shows only what was asked for: %s', async (_, query, expected) => {
    expect(shown(await entries(`?${query()}`))).toEqual(expected());
  });

  it('shows what occurred from a moment on and before another', async () => {
    const all = await entries('?limit=200');
    const [to, from] = [all[2], all.at(-3)].map((row) => row?.occurredAt ?? '') as [string, string];
    const expected = all.filter(({ occurredAt }) => occurredAt >= from && occurredAt < to);
    expect(await entries(`?limit=200&from=${from}&to=${to}`)).toEqual(expected);
    expect(await entries(`?from=${to}&to=${to}`)).toEqual([]);
    expect(await entries('?from=9999-12-31T23:59:59-14:00')).toEqual([]);
    expect(await entries('?limit=200&from=0000-01-01T00:00:00%2B14:00')).toEqual(all);
  });

  it('is walked by its Link header, filters and all', async () => {
    const found: Entry[] = [];
    for (let next: string | undefined = '/audit?limit=2&actor=operator-1'; next !== undefined;) {
      const { body, headers }: TestResponse = await daybook.api('GET', next);
      found.push(...body.data);
      next = /^<\/api\/v1(.*)>; rel="next"$/.exec(headers.get('link') ?? '')?.[1];
    }
    expect(found).toEqual(await entries('?limit=200&actor=operator-1'));
  });

  it('refuses a cursor that was made for other filters, or for another list', async () => {
    const { nextCursor } = (await ask('?limit=1&actor=operator-1')).body;
    expect((await ask(`?cursor=${nextCursor}&actor=operator-1&limit=7`)).status).toBe(200);
    for (const query of [
      '',
      '&actor=alice',
      '&actor=operator-1&type=order.placed',
      '&actor=operator-1&from=2026-01-01T00:00Z',
    ])
      expectInvalid(await ask(`?cursor=${nextCursor}${query}`), 'cursor');
    const ofOrders = (await daybook.api('GET', '/orders?limit=1')).body.nextCursor;
    expectInvalid(await ask(`?cursor=${ofOrders}`), 'cursor');
  });

  it('refuses a range of time that ends before it begins, naming its end', async () => {
    const refused = await ask('?from=2026-11-20T00:00:00.001Z&to=2026-11-20T00:00:00Z');
    expect(expectInvalid(refused, 'to').detail).toBe('to must not be before from');
  });

  it('gives up what takes too long, and says what would help', async () => {
    // Stands in for more rows than can be looked through.
    await daybook.database.query(`
      ALTER TABLE journal RENAME TO whole_journal;
      CREATE VIEW journal AS SELECT * FROM whole_journal WHERE position < 0 OR pg_sleep(60) IS NULL`);
    const tooBroad = async (query: string) => expectProblem(await ask(query), 422, 'query_too_broad');
    try {
      const everything = await tooBroad('');
      expect(everything).toMatchObject({
        timeBudgetMs: 500,
        narrowBy: ['entityType', 'entityId', 'from', 'to'],
      });
      expect((await tooBroad('?entityId=TEA'))['narrowBy']).toEqual(['entityType', 'from', 'to']);
    } finally {
      await daybook.database.query('DROP VIEW journal; ALTER TABLE whole_journal RENAME TO journal');
    }
    expect((await ask('')).status).toBe(200);
  });
});
