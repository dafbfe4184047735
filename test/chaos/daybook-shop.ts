import { tokenFor } from '../support/app.js';
import { findingsIn } from '../support/doctor.js';
import { KeepAliveClient } from '../support/keep-alive-client.js';
import type { Books, Reply, Shop, Wish } from './shop.js';

/** Where the servers are, and a look into their database. */
export interface Premises {
  readonly origins: readonly string[];
  readonly databaseUrl: string;
  query<Row>(text: string, values?: unknown[]): Promise<Row[]>;
}

const BOOKS = `
  WITH claims AS (
    SELECT placed.id, allocation.quantity
    FROM products product
    JOIN order_lines line ON line.product_id = product.id
    JOIN orders placed ON placed.id = line.order_id AND placed.status IN ('pending', 'processing', 'confirmed')
    JOIN order_allocations allocation ON allocation.order_id = line.order_id AND allocation.line_no = line.line_no
    WHERE product.sku = $1)
  SELECT sum(on_hand)::int AS "onHand", sum(reserved)::int AS reserved, sum(allocated)::int AS allocated,
    (SELECT coalesce(sum(quantity), 0)::int FROM stock_holds WHERE product_id = product.id) AS held,
    (SELECT coalesce(sum(quantity), 0)::int FROM claims) AS ordered,
    (SELECT coalesce(array_agg(DISTINCT (id / 10000000000) || '-' || lpad((id % 10000000000)::text, 5, '0')), '{}')
     FROM claims) AS "orderIds"
  FROM products product JOIN stock_levels level ON level.product_id = product.id
  WHERE sku = $1 GROUP BY product.id`;

const DEADLOCKS = 'SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()';

/** Daybook, as its buyers reach it: over HTTP, each by two lines of its own, which lead to different processes. */
export class DaybookShop implements Shop {
  private constructor(
    private readonly premises: Premises,
    private readonly keeper: KeepAliveClient,
    private readonly lines: readonly (readonly KeepAliveClient[])[],
  ) {}

  static async open(premises: Premises, buyers: number): Promise<DaybookShop> {
    const { origins } = premises;
    const origin = (index: number) => origins[index % origins.length] as string;
    const lines = Array.from({ length: buyers }, async (_, buyer) => {
      const token = await tokenFor(`buyer-${buyer}`, 'customer');
      return [0, 1].map((line) => new KeepAliveClient(origin(buyer + line), token));
    });
    const keeper = new KeepAliveClient(origin(0), await tokenFor('keeper', 'operator'));
    return new DaybookShop(premises, keeper, await Promise.all(lines));
  }

  async stock(sku: string, pieces: number): Promise<void> {
    const post = async (path: string, body: object) => {
      const { status, text } = await this.keeper.ask(`/api/v1${path}`, body);
      if (status !== 201) throw new Error(`The shelves could not be filled: ${status} ${text}`);
    };
    await post('/products', { sku, name: `Product ${sku}`, priceCents: 1999 });
    await post('/stock-adjustments', { sku, quantityDelta: pieces, reason: 'received' });
  }

  reserve(wish: Wish): Promise<Reply> {
    return this.ask(wish, '/reservations', { lines: [{ sku: wish.sku, quantity: 1 }] });
  }

  order(wish: Wish, reservationId: string): Promise<Reply> {
    return this.ask(wish, '/orders', { reservationId });
  }

  release(wish: Wish, reservationId: string): Promise<Reply> {
    return this.ask(wish, `/reservations/${reservationId}/release`);
  }

  async books(sku: string): Promise<Books> {
    const [books] = await this.premises.query<Books>(BOOKS, [sku]);
    if (books === undefined) throw new Error(`There is no product ${sku}`);
    return books;
  }

  async audit(): Promise<readonly string[]> {
    const findings = await findingsIn(this.premises.databaseUrl);
    const [seen] = await this.premises.query<{ deadlocks: number }>(DEADLOCKS);
    return [
      ...findings.flatMap(({ check, examples }) => examples.map((example) => `doctor: ${check}: ${example}`)),
      ...(seen?.deadlocks === 0 ? [] : [`deadlocks: ${seen?.deadlocks}`]),
    ];
  }

  close(): Promise<void> {
    for (const client of [this.keeper, ...this.lines.flat()]) client.close();
    return Promise.resolve();
  }

  private async ask({ buyer, key, line }: Wish, path: string, body?: object): Promise<Reply> {
    const client = this.lines[buyer]?.[line] as KeepAliveClient;
    const headers = { 'idempotency-key': key };
    const { status, text } = await client.ask(`/api/v1${path}`, body, { method: 'POST', headers });
    if (status < 300) return { kind: 'done', id: (JSON.parse(text) as { id: string }).id };
    const isShort = status === 409 && text.includes('"insufficient_stock"');
    return isShort ? { kind: 'sold out' } : { kind: 'failed', words: `${status} ${text}` };
  }
}
