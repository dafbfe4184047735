import {
  findPgbench,
  runPgbench,
  SCRIPTS,
  type PgbenchResult,
  type PgbenchRun,
  type Script,
} from '../baselines/pgbench/pgbench.ts';
import { CATALOGUE } from '../support/catalogue.ts';
import { countOrders } from '../support/books.ts';
import {
  applyMigrations,
  createDatabase,
  seedCatalogue,
  settle,
  type BenchDatabase,
} from '../support/database.ts';
import { say } from '../support/terminal.ts';
import type { PostgresServer } from '../support/postgres-server.ts';

const CLIENTS_TRIED = [4, 8, 16, 32, 64];
// Clients that all want one row do best when they are few.
const CLIENTS_TRIED_ON_ONE_PRODUCT = [1, 2, 4, 8, 16];
const TRIAL_SECONDS = 2;
const WARM_UP_SECONDS = 1;

export type Goods = Pick<PgbenchRun, 'lowest' | 'highest'>;

/** The database alone, one order a transaction: no HTTP, no tokens, no validation, a load generator in C. */
export interface PgbenchContender {
  program: string;
  database: BenchDatabase;
  day: number;
}

/** @returns undefined on a machine without pgbench */
export async function preparePgbench(postgres: PostgresServer): Promise<PgbenchContender | undefined> {
  const program = findPgbench();
  if (program === undefined) {
    say('pgbench is not installed, so the comparison with it is left out');
    return undefined;
  }
  const database = await createDatabase(postgres, 'pgbench');
  await applyMigrations(database);
  await seedCatalogue(database);
  const { rows } = await database.client.query<{ day: number }>(
    `SELECT to_char(business_now() AT TIME ZONE 'UTC', 'YYYYMMDD')::int AS day`,
  );
  const day = rows[0]?.day ?? 0;
  await database.client.query(`CREATE SEQUENCE order_number_${day}`);
  return { program, database, day };
}

export function allGoods(): Goods {
  return { lowest: 1, highest: CATALOGUE.products };
}

export async function hotGoods({ database }: PgbenchContender): Promise<Goods> {
  const { rows } = await database.client.query<{ id: number }>('SELECT id FROM products WHERE sku = $1', [
    CATALOGUE.hotSku,
  ]);
  const id = rows[0]?.id ?? 0;
  return { lowest: id, highest: id };
}

/** For each script the number of clients at which it takes most orders. */
export async function findBestClients(
  contender: PgbenchContender,
  goods: Goods,
  onTried: (result: PgbenchResult) => void,
): Promise<Record<Script, number>> {
  const best: Record<Script, number> = { statements: 0, pipelined: 0 };
  for (const script of SCRIPTS) {
    let most = 0;
    for (const clients of goods.lowest === goods.highest ? CLIENTS_TRIED_ON_ONE_PRODUCT : CLIENTS_TRIED) {
      const result = await run(contender, goods, script, clients, TRIAL_SECONDS);
      onTried(result);
      if (result.perSecond > most) [most, best[script]] = [result.perSecond, clients];
    }
  }
  return best;
}

/** @throws when the database does not hold what pgbench says it did */
export async function measurePgbench(
  contender: PgbenchContender,
  goods: Goods,
  script: Script,
  clients: number,
  seconds: number,
): Promise<PgbenchResult> {
  await settle(contender.database);
  await run(contender, goods, script, clients, WARM_UP_SECONDS);
  const before = await countOrders(contender.database);
  const result = await run(contender, goods, script, clients, seconds);
  const stored = (await countOrders(contender.database)) - before;
  if (stored !== result.orders)
    throw new Error(`pgbench did ${result.orders} orders, but ${stored} are stored`);
  return result;
}

function run(
  { program, database, day }: PgbenchContender,
  goods: Goods,
  script: Script,
  clients: number,
  seconds: number,
): Promise<PgbenchResult> {
  return runPgbench(program, { databaseUrl: database.url, ...goods, script, clients, seconds, day });
}
