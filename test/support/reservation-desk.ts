import type { RequestOptions, TestApp, TestResponse } from './app.js';

export type Quantities = readonly (readonly [sku: string, quantity: number])[];

/** How a request is sent. */
export interface Asked {
  /** Default: alice. */
  readonly caller?: keyof TestApp['tokens'];
  readonly key?: string;
  readonly ifMatch?: string;
  readonly requestId?: string;
}

export const linesOf = (quantities: Quantities) => quantities.map(([sku, quantity]) => ({ sku, quantity }));

/** What a replay must repeat to the byte. */
export function bytesOf({ status, text, headers }: TestResponse) {
  const kept = ['content-type', 'location', 'etag'];
  return { status, text, headers: Object.fromEntries(kept.map((name) => [name, headers.get(name)])) };
}

export const isReplay = ({ headers }: TestResponse) => headers.get('idempotent-replayed') === 'true';

/** Makes, changes and looks at reservations, by requests and in the tables. */
export class ReservationDesk {
  constructor(private readonly daybook: TestApp) {}

  post(path: string, body: unknown, asked: Asked = {}): Promise<TestResponse> {
    return this.daybook.api('POST', path, { ...this.options(asked), body });
  }

  reserve(quantities: Quantities, more: object = {}, asked: Asked = {}): Promise<TestResponse> {
    return this.post('/reservations', { lines: linesOf(quantities), ...more }, asked);
  }

  /** The id of a reservation that is made. */
  async hold(quantities: Quantities, more: object = {}, asked: Asked = {}): Promise<string> {
    const { status, text, body } = await this.reserve(quantities, more, asked);
    if (status !== 201) throw new Error(`Nothing was reserved: ${text}`);
    return body.id;
  }

  extend(id: string, ttlSeconds: number, asked: Asked = {}): Promise<TestResponse> {
    return this.post(`/reservations/${id}/extend`, { ttlSeconds }, asked);
  }

  release(id: string, asked: Asked = {}): Promise<TestResponse> {
    return this.post(`/reservations/${id}/release`, undefined, asked);
  }

  /** Orders what is reserved. */
  consume(reservationId: string, more: object = {}, asked: Asked = {}): Promise<TestResponse> {
    return this.post('/orders', { reservationId, ...more }, asked);
  }

  read(id: string, asked: Asked = {}): Promise<TestResponse> {
    return this.daybook.api('GET', `/reservations/${id}`, this.options(asked));
  }

  async stockOf(sku: string) {
    return (await this.daybook.api('GET', `/products/${sku}/stock`)).body;
  }

  /** What a product's reservations hold by the tables: the sum that is kept, and the holds behind it. */
  async heldOf(sku: string): Promise<{ reserved: number; holds: number }> {
    const [row] = await this.daybook.database.query<{ reserved: number; holds: number }>(
      `SELECT sum(reserved)::int AS reserved,
         (SELECT coalesce(sum(quantity), 0)::int FROM stock_holds hold WHERE hold.product_id = product.id) AS holds
       FROM products product JOIN stock_levels ON product_id = product.id WHERE sku = $1 GROUP BY product.id`,
      [sku],
    );
    return row as { reserved: number; holds: number };
  }

  async storedStatus(id: string) {
    const [row] = await this.daybook.database.query(
      'SELECT status, version FROM reservations WHERE id = $1',
      [id],
    );
    return row;
  }

  journalOf(id: string) {
    return this.daybook.database.query(
      `SELECT type, version, actor, request_id, data FROM journal
       WHERE entity_type = 'reservation' AND entity_id = $1 ORDER BY position`,
      [id],
    );
  }

  /** Runs what should be refused, and checks that nothing is left of it: no claim, no row, no journal entry, no key. */
  async leavingNoTrace<T>(refused: () => Promise<T>): Promise<T> {
    const before = await this.everything();
    const result = await refused();
    expectSame(before, await this.everything());
    return result;
  }

  private everything() {
    return this.daybook.database.query(`SELECT
      (SELECT jsonb_agg(reservations ORDER BY id) FROM reservations) AS reservations,
      (SELECT jsonb_agg(hold ORDER BY hold) FROM stock_holds hold) AS holds,
      (SELECT jsonb_agg(level ORDER BY product_id, warehouse_id) FROM stock_levels level) AS stock,
      (SELECT count(*) FROM orders) AS orders,
      (SELECT count(*) FROM journal) AS journal,
      (SELECT count(*) FROM idempotency_keys) AS keys`);
  }

  private options({ caller = 'alice', key, ifMatch, requestId }: Asked): RequestOptions {
    const headers = {
      ...(key !== undefined && { 'idempotency-key': key }),
      ...(ifMatch !== undefined && { 'if-match': ifMatch }),
      ...(requestId !== undefined && { 'x-request-id': requestId }),
    };
    return { token: this.daybook.tokens[caller], headers };
  }
}

function expectSame(before: unknown, after: unknown): void {
  expect(after).toEqual(before);
}
