import { setTimeout as pause } from 'node:timers/promises';

import pg from 'pg';

import { Random } from './random.js';
import type { Books, Reply, Shop, Wish } from './shop.js';

const TABLES = `
  CREATE TABLE naive_stock (sku text PRIMARY KEY, on_hand int, reserved int, allocated int);
  CREATE TABLE naive_holds (key text PRIMARY KEY, sku text, is_open boolean);
  CREATE TABLE naive_orders (key text PRIMARY KEY, sku text)`;

const BOOKS = `
  SELECT on_hand AS "onHand", reserved, allocated, held.count AS held, ordered.count AS ordered, ordered.ids AS "orderIds"
  FROM naive_stock stock,
    LATERAL (SELECT count(*)::int FROM naive_holds WHERE sku = stock.sku AND is_open) AS held,
    LATERAL (SELECT count(*)::int, coalesce(array_agg(key), '{}') AS ids FROM naive_orders WHERE sku = stock.sku) AS ordered
  WHERE stock.sku = $1`;

const WORK_MS = 3;

interface Shelf {
  readonly on_hand: number;
  readonly reserved: number;
  readonly allocated: number;
}

/**
 * A shop as it is written on a quiet afternoon: reads what there is, checks, does something else for a moment, and
 * writes back what it has worked out. No lock, no transaction. It is right as long as buyers come one by one, and is
 * here to show that the verdict notices when they do not.
 */
export class NaiveShop implements Shop {
  private readonly random: Random;

  private constructor(
    private readonly pool: pg.Pool,
    seed: number,
  ) {
    this.random = new Random(seed);
  }

  static async open(databaseUrl: string, seed: number): Promise<NaiveShop> {
    const pool = new pg.Pool({ connectionString: databaseUrl, max: 32 });
    // The end of a pool does not wait for its connections, and the database goes away behind it.
    pool.on('error', () => undefined);
    await pool.query(TABLES);
    return new NaiveShop(pool, seed);
  }

  async stock(sku: string, pieces: number): Promise<void> {
    await this.pool.query('INSERT INTO naive_stock VALUES ($1, $2, 0, 0)', [sku, pieces]);
  }

  async reserve({ sku, key }: Wish): Promise<Reply> {
    if (await this.isKnown('naive_holds', key)) return { kind: 'done', id: key };
    const { on_hand, reserved, allocated } = await this.read(sku);
    if (on_hand - reserved - allocated < 1) return { kind: 'sold out' };
    await this.work();
    await this.pool.query('INSERT INTO naive_holds VALUES ($1, $2, true) ON CONFLICT DO NOTHING', [key, sku]);
    await this.write(sku, reserved + 1, allocated);
    return { kind: 'done', id: key };
  }

  async order({ sku, key }: Wish, reservation: string): Promise<Reply> {
    if (await this.isKnown('naive_orders', key)) return { kind: 'done', id: key };
    const { reserved, allocated } = await this.read(sku);
    await this.work();
    await this.pool.query('INSERT INTO naive_orders VALUES ($1, $2) ON CONFLICT DO NOTHING', [key, sku]);
    await this.endHold(reservation);
    await this.write(sku, reserved - 1, allocated + 1);
    return { kind: 'done', id: key };
  }

  async release({ sku }: Wish, reservation: string): Promise<Reply> {
    const { reserved, allocated } = await this.read(sku);
    await this.work();
    await this.endHold(reservation);
    await this.write(sku, reserved - 1, allocated);
    return { kind: 'done', id: reservation };
  }

  async books(sku: string): Promise<Books> {
    return (await this.pool.query<Books>(BOOKS, [sku])).rows[0] as Books;
  }

  audit(): Promise<readonly string[]> {
    return Promise.resolve([]);
  }

  close(): Promise<void> {
    return this.pool.end();
  }

  private async isKnown(table: 'naive_holds' | 'naive_orders', key: string): Promise<boolean> {
    const { rowCount } = await this.pool.query(`SELECT FROM ${table} WHERE key = $1`, [key]);
    return rowCount === 1;
  }

  private async read(sku: string): Promise<Shelf> {
    const { rows } = await this.pool.query<Shelf>('SELECT * FROM naive_stock WHERE sku = $1', [sku]);
    return rows[0] as Shelf;
  }

  private async write(sku: string, reserved: number, allocated: number): Promise<void> {
    const values = [sku, reserved, allocated];
    await this.pool.query('UPDATE naive_stock SET reserved = $2, allocated = $3 WHERE sku = $1', values);
  }

  private async endHold(key: string): Promise<void> {
    await this.pool.query('UPDATE naive_holds SET is_open = false WHERE key = $1', [key]);
  }

  /** The card is charged, the mail is written: what happens between reading and writing. */
  private work(): Promise<void> {
    return pause(this.random.between(0, WORK_MS));
  }
}
