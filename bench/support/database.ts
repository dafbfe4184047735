import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { Client, type DatabaseError } from 'pg';
import { CATALOGUE } from './catalogue.ts';
import { owned } from './lifetime.ts';
import type { PostgresServer } from './postgres-server.ts';

const LIBRARIES = new URL('../../libs/', import.meta.url);
const SETTLE_MS = 500;
const DROP_MS = 60_000;

/** A database made for one contender of one run, and the connection the bench itself looks at it through. */
export interface BenchDatabase {
  url: string;
  client: Client;
}

/** Drops what an interrupted run may have left, and makes the database anew. It goes away with the run, unless kept. */
export async function createDatabase(
  server: PostgresServer,
  purpose: string,
  { keep = false } = {},
): Promise<BenchDatabase> {
  const name = nameOf(purpose);
  const admin = await connect(server.url);
  await drop(admin, name);
  await admin.query(`CREATE DATABASE ${name}`);
  const { url, client } = await openDatabase(server, purpose);
  owned(async () => {
    await client.end();
    if (!keep) await drop(admin, name);
    await admin.end();
  });
  return { url, client };
}

/** To end autovacuum, should it be at work there, takes a superuser; it ends soon. */
async function drop(admin: Client, name: string): Promise<void> {
  const until = performance.now() + DROP_MS;
  for (;;) {
    try {
      await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      return;
    } catch (error) {
      if ((error as DatabaseError).code !== '42501' || performance.now() > until) throw error;
      await pause(SETTLE_MS);
    }
  }
}

/** A database that an earlier run kept, if it did. It stays. */
export async function findDatabase(
  server: PostgresServer,
  purpose: string,
): Promise<BenchDatabase | undefined> {
  const admin = await connect(server.url);
  const { rowCount } = await admin.query('SELECT FROM pg_database WHERE datname = $1', [nameOf(purpose)]);
  await admin.end();
  if (rowCount === 0) return undefined;
  const database = await openDatabase(server, purpose);
  owned(() => database.client.end());
  return database;
}

async function openDatabase(server: PostgresServer, purpose: string): Promise<BenchDatabase> {
  const url = Object.assign(new URL(server.url), { pathname: `/${nameOf(purpose)}` }).href;
  return { url, client: await connect(url) };
}

function nameOf(purpose: string): string {
  return `daybook_bench_${purpose.replaceAll('-', '_')}`;
}

async function connect(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  // Without a listener a server that goes away would end the bench before it has stopped its processes.
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** Daybook's own tables, for the contenders that do not bring them along. */
export async function applyMigrations({ client }: BenchDatabase): Promise<void> {
  const paths = (await readdir(LIBRARIES, { recursive: true })).filter((path) =>
    /^[^/\\]+[/\\]migrations[/\\][^/\\]+\.sql$/.test(path),
  );
  const fileName = (path: string): string => path.replace(/^.*[/\\]/, '');
  for (const path of paths.sort((a, b) => (fileName(a) < fileName(b) ? -1 : 1))) {
    await client.query(await readFile(new URL(path, LIBRARIES), 'utf8'));
  }
  // Daybook makes the months it needs, its baselines do not.
  await client.query(
    `SELECT make_partitions(to_char(business_now() + make_interval(months => ahead), 'YYYYMM'))
     FROM generate_series(0, 1) AS ahead`,
  );
}

/** Fills the shelves. Every quantity has its movement, so that the books balance from the start. */
export async function seedCatalogue({ client }: BenchDatabase): Promise<void> {
  for (const { code, name, priority } of CATALOGUE.warehouses) {
    await client.query(
      `INSERT INTO warehouses (code, name, priority, created_at) VALUES ($1, $2, $3, business_now())
       ON CONFLICT (code) DO NOTHING`,
      [code, name, priority],
    );
  }
  await client.query(
    `INSERT INTO products (sku, name, price_cents, currency, created_at, updated_at)
     SELECT sku, 'Product ' || sku, 100 + number * 7 % 9900, 'USD', business_now(), business_now()
     FROM (SELECT number, 'SKU-' || lpad(number::text, 5, '0') FROM generate_series(1, $1::int) AS number
           UNION ALL VALUES ($1 + 1, $2), ($1 + 2, $3)) AS catalogue (number, sku)
     ORDER BY number`,
    [CATALOGUE.products, CATALOGUE.hotSku, CATALOGUE.scarceSku],
  );
  await client.query(
    `WITH filled AS (
       INSERT INTO stock_levels (product_id, warehouse_id, on_hand)
       SELECT products.id, warehouses.id, CASE sku WHEN $2 THEN $3::bigint ELSE $1::bigint END
       FROM products CROSS JOIN warehouses
       WHERE sku <> $2 OR code = 'main'
       RETURNING *)
     INSERT INTO stock_movements (product_id, warehouse_id, kind, quantity_delta, reason, occurred_at)
     SELECT product_id, warehouse_id, 'received', on_hand, 'for the benchmark', business_now() FROM filled`,
    [CATALOGUE.ampleStock, CATALOGUE.scarceSku, CATALOGUE.scarceStock],
  );
  await client.query('VACUUM (ANALYZE) products, warehouses, stock_levels, stock_movements');
}

/** Gives every contender the same start: the last one's dirty pages written, and a moment of quiet. */
export async function settle({ client }: BenchDatabase): Promise<void> {
  await client.query('CHECKPOINT');
  await pause(SETTLE_MS);
}
