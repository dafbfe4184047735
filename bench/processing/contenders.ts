import { SignJWT } from 'jose';
import { PgBoss } from 'pg-boss';
import { BENCH_SECRET, prepareDaybook, type HttpContender } from '../placement/http-contenders.ts';
import { CATALOGUE, skuOf } from '../support/catalogue.ts';
import { startChildServer, type ChildServer } from '../support/child-server.ts';
import { createDatabase, settle, type BenchDatabase } from '../support/database.ts';
import type { PostgresServer } from '../support/postgres-server.ts';

const BULK = 500;
const LOOK_EVERY_MS = 200;
const QUEUE = 'empty';

/** Something that works off what lies in a database, with so many workers in so many processes. */
export interface Contender {
  readonly label: string;
  /** Fills the queue, lets it be worked off, and tells how many a second that were, by the database's clock. */
  measure(count: number, shape: Shape): Promise<number>;
}

export interface Shape {
  readonly processes: number;
  /** At a time, per process. */
  readonly workers: number;
}

/** Daybook as it is delivered; its processor has nothing to do. */
export async function prepareDaybookWorkers(postgres: PostgresServer): Promise<Contender> {
  const daybook = await prepareDaybook(postgres);
  return {
    label: 'Daybook',
    measure: async (count, { processes, workers }) => {
      const since = await tellTime(daybook.database);
      await placeOrders(daybook, count);
      await settle(daybook.database);
      const servers = await Promise.all(
        range(processes).map(() => daybook.start({ DAYBOOK_ROLES: 'worker', WORKER_COUNT: String(workers) })),
      );
      await waitUntilNone(
        daybook.database,
        `SELECT 1 FROM orders WHERE status IN ('pending', 'processing') LIMIT 1`,
      );
      await stopAll(servers);
      return perSecond(
        daybook.database,
        `SELECT count(*) FILTER (WHERE data->'after'->>'status' = 'confirmed')::int AS count,
           extract(epoch FROM max(occurred_at) - min(occurred_at))::float8 AS seconds
         FROM journal WHERE type = 'order.status_changed' AND occurred_at > '${since}'`,
        count,
      );
    },
  };
}

/** pg-boss doing nothing, as fast as it can do that: the same engine without orders. */
export async function preparePgBoss(
  postgres: PostgresServer,
  form: 'batches' | 'single jobs',
): Promise<Contender> {
  const database = await createDatabase(postgres, `pg-boss-${form.replace(' ', '-')}`);
  const boss = new PgBoss({ connectionString: database.url, supervise: false, schedule: false });
  await boss.start();
  await boss.createQueue(QUEUE, { partition: true });
  await boss.stop();
  return {
    label: `pg-boss, ${form}`,
    measure: async (count, { processes, workers }) => {
      await database.client.query(`DELETE FROM pgboss.job`);
      await enqueue(database, count);
      await settle(database);
      const environment = {
        DATABASE_URL: database.url,
        QUEUE,
        BATCH_SIZE: String(form === 'batches' ? workers : 1),
        LOCAL_CONCURRENCY: String(form === 'batches' ? 1 : workers),
      };
      const servers = await Promise.all(
        range(processes).map(() =>
          startChildServer('pg-boss', ['bench/baselines/pg-boss/main.ts'], environment),
        ),
      );
      await waitUntilNone(database, `SELECT 1 FROM pgboss.job WHERE state < 'completed' LIMIT 1`);
      await stopAll(servers);
      return perSecond(
        database,
        `SELECT count(*)::int AS count, extract(epoch FROM max(completed_on) - min(started_on))::float8 AS seconds
         FROM pgboss.job WHERE state = 'completed'`,
        count,
      );
    },
  };
}

async function enqueue(database: BenchDatabase, count: number): Promise<void> {
  const boss = new PgBoss({ connectionString: database.url, supervise: false, schedule: false });
  await boss.start();
  for (let made = 0; made < count; made += BULK)
    await boss.insert(
      QUEUE,
      range(Math.min(BULK, count - made)).map((index) => ({ data: { n: made + index } })),
    );
  await boss.stop();
}

/** Through the API, as clients do, by a process that works nothing off. */
async function placeOrders(daybook: HttpContender, count: number): Promise<void> {
  const server = await daybook.start();
  const token = await new SignJWT({ roles: ['operator'] })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject('operator')
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(BENCH_SECRET));
  for (let placed = 0; placed < count; placed += BULK) {
    const orders = range(Math.min(BULK, count - placed)).map((index) => ({
      lines: [{ sku: skuOf(1 + ((placed + index) % CATALOGUE.products)), quantity: 1 }],
      processingTimeMs: 0,
    }));
    const response = await fetch(`${server.url}/api/v1/orders/bulk`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ orders }),
    });
    const answer = (await response.json()) as { data?: { status: number }[] };
    if (!response.ok) throw new Error(`orders were refused: ${JSON.stringify(answer).slice(0, 300)}`);
  }
  await server.stop();
}

async function waitUntilNone({ client }: BenchDatabase, statement: string): Promise<void> {
  while ((await client.query(statement)).rowCount !== 0)
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
}

async function perSecond({ client }: BenchDatabase, statement: string, count: number): Promise<number> {
  const { rows } = await client.query<{ count: number; seconds: number }>(statement);
  const [row] = rows;
  if (row?.count !== count) throw new Error(`${count} were to be done, ${row?.count ?? 0} are`);
  return count / row.seconds;
}

async function tellTime({ client }: BenchDatabase): Promise<string> {
  const { rows } = await client.query<{ now: string }>('SELECT business_now()::text AS now');
  return rows[0]?.now ?? '';
}

async function stopAll(servers: ChildServer[]): Promise<void> {
  await Promise.all(servers.map((server) => server.stop()));
}

function range(length: number): number[] {
  return Array.from({ length }, (_, index) => index);
}
