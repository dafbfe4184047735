import { existsSync } from 'node:fs';
import { CATALOGUE } from '../support/catalogue.ts';
import { countOrders } from '../support/books.ts';
import { startChildServer, type ChildServer } from '../support/child-server.ts';
import {
  applyMigrations,
  createDatabase,
  seedCatalogue,
  settle,
  type BenchDatabase,
} from '../support/database.ts';
import { generateLoad } from '../support/load/generate-load.ts';
import type { LoadProgress, LoadResult } from '../support/load/load-plan.ts';
import type { OrderRequestOptions } from '../support/load/order-requests.ts';
import type { PostgresServer } from '../support/postgres-server.ts';

const DAYBOOK = 'dist/apps/api/main.js';
// Compiled as it is loaded, which costs something at start and nothing afterwards.
const NEST_TYPEORM = ['--import', './scripts/typescript.mjs', 'bench/baselines/nest-typeorm/main.ts'];
const CUSTOMERS = 500;
const POOL_SIZES_TRIED = [10, 20, 40];

// Fixed, because it guards nothing: the servers listen on loopback for as long as the benchmark runs.
export const BENCH_SECRET = 'a secret that only the benchmark uses';

export type HttpContenderId = 'daybook' | 'nest-typeorm' | 'nest-typeorm-sequence';

/** A server that takes orders over HTTP, on a database of its own. */
export interface HttpContender {
  id: HttpContenderId;
  label: string;
  database: BenchDatabase;
  start(environment?: Record<string, string>): Promise<ChildServer>;
}

export function isDaybookBuilt(): boolean {
  return existsSync(new URL(`../../${DAYBOOK}`, import.meta.url));
}

/** Daybook as it is delivered: every default, everything on, the given roles in a process of their own. */
export async function prepareDaybook(postgres: PostgresServer, roles = 'api'): Promise<HttpContender> {
  return seedDaybook(daybookOn(await createDatabase(postgres, 'daybook'), roles));
}

/** Daybook as it is delivered, on a database that there is. */
export function daybookOn(database: BenchDatabase, roles = 'api'): HttpContender {
  const start = (environment = {}): Promise<ChildServer> =>
    startChildServer('Daybook', [DAYBOOK], {
      DATABASE_URL: database.url,
      DAYBOOK_ROLES: roles,
      AUTH_JWT_SECRET: BENCH_SECRET,
      LOG_LEVEL: 'warn',
      ...environment,
    });
  return { id: 'daybook', label: 'Daybook', database, start };
}

/** Gives a new database its tables and its catalogue. */
export async function seedDaybook(daybook: HttpContender): Promise<HttpContender> {
  // Its own start makes the tables. It is stopped again, having read nothing, before there is a catalogue.
  await (await daybook.start()).stop();
  await seedCatalogue(daybook.database);
  return daybook;
}

/** The baseline at its best: with the pool size that serves 256 connections fastest. */
export async function prepareNestTypeorm(
  postgres: PostgresServer,
  numbers: 'counter-row' | 'sequence',
  onTried: (poolSize: number, perSecond: number) => void,
): Promise<HttpContender & { poolSize: number }> {
  const id = numbers === 'sequence' ? 'nest-typeorm-sequence' : 'nest-typeorm';
  const label = `Nest + TypeORM, ${numbers === 'sequence' ? 'sequence' : 'counter row'}`;
  const database = await createDatabase(postgres, id);
  await applyMigrations(database);
  await seedCatalogue(database);
  const withPool = (poolSize: number): HttpContender & { poolSize: number } => ({
    id,
    label,
    database,
    poolSize,
    start: () =>
      startChildServer(label, NEST_TYPEORM, {
        DATABASE_URL: database.url,
        DATABASE_POOL_SIZE: String(poolSize),
        ORDER_NUMBERS: numbers,
        AUTH_JWT_SECRET: BENCH_SECRET,
      }),
  });
  let best = { contender: withPool(POOL_SIZES_TRIED[0] ?? 10), perSecond: 0 };
  for (const poolSize of POOL_SIZES_TRIED) {
    const contender = withPool(poolSize);
    const server = await contender.start();
    const { perSecond } = await measureOrders(contender, server, {
      connections: 256,
      warmUpSeconds: 2,
      seconds: 2,
    });
    await server.stop();
    onTried(poolSize, perSecond);
    if (perSecond > best.perSecond) best = { contender, perSecond };
  }
  return best.contender;
}

export interface OrderLoad {
  connections: number;
  seconds: number;
  warmUpSeconds?: number;
  maximumRequests?: number;
  /** Every order is for this product alone. */
  hotSku?: string;
}

/**
 * Loads a running contender with orders and compares what it answered with what its database holds.
 * @throws when an order was answered and not stored, or stored and not answered
 */
export async function measureOrders(
  contender: HttpContender,
  server: ChildServer,
  load: OrderLoad,
  onProgress?: (progress: LoadProgress) => void,
): Promise<LoadResult> {
  const { hotSku, warmUpSeconds = 1, maximumRequests = Number.MAX_SAFE_INTEGER, ...plan } = load;
  const options: OrderRequestOptions = {
    secret: BENCH_SECRET,
    customers: CUSTOMERS,
    products: CATALOGUE.products,
  };
  if (hotSku !== undefined) options.hotSku = hotSku;
  await settle(contender.database);
  const before = await countOrders(contender.database);
  const result = await generateLoad(
    {
      ...plan,
      warmUpSeconds,
      maximumRequests,
      url: server.url,
      requests: { module: new URL('../support/load/order-requests.ts', import.meta.url).href, options },
    },
    onProgress,
  );
  const stored = (await countOrders(contender.database)) - before;
  const answered = result.allStatuses['201'] ?? 0;
  const unknown = Object.values(result.failures).reduce((total, count) => total + count, 0);
  if (stored < answered || stored > answered + unknown) {
    throw new Error(`${contender.label}: ${answered} orders answered with 201, but ${stored} stored`);
  }
  return result;
}
