import { daybookOn, seedDaybook, type HttpContender } from '../placement/http-contenders.ts';
import { createDatabase, findDatabase } from '../support/database.ts';
import type { PostgresServer } from '../support/postgres-server.ts';
import { figure, say } from '../support/terminal.ts';
import { adoptPendingOrders, fillOrders } from './fill.ts';

export interface FillWishes {
  /** Leaves the database for later runs. */
  readonly keep: boolean;
  /** Takes one that an earlier run kept, if there is one that was filled to the end. */
  readonly reuse: boolean;
  readonly isHistoryFull: boolean;
}

const FILLED = 'filled';

/** Daybook on a database with so many orders. */
export async function openFilled(
  postgres: PostgresServer,
  orders: number,
  { keep, reuse, isHistoryFull }: FillWishes,
): Promise<HttpContender> {
  const purpose = `list_${orders}`;
  const kept = reuse ? await findDatabase(postgres, purpose) : undefined;
  const wasFilled = await kept?.client.query(
    `SELECT FROM pg_database WHERE datname = current_database() AND shobj_description(oid, 'pg_database') = $1`,
    [FILLED],
  );
  if (kept !== undefined && wasFilled?.rowCount === 1) return daybookOn(kept);
  await kept?.client.end();
  const daybook = await seedDaybook(daybookOn(await createDatabase(postgres, purpose, { keep })));
  const startedAt = performance.now();
  await fillOrders(daybook.database, { orders, isHistoryFull });
  await adoptPendingOrders(daybook);
  const { client } = daybook.database;
  await client.query(`COMMENT ON DATABASE daybook_bench_${purpose} IS '${FILLED}'`);
  const seconds = (performance.now() - startedAt) / 1000;
  say(
    `${orders.toLocaleString('en-US')} orders filled in ${figure(seconds)} s: ` +
      `${figure(orders / seconds)} a second, ${await describeSize(daybook)}`,
  );
  return daybook;
}

async function describeSize({ database: { client } }: HttpContender): Promise<string> {
  const { rows } = await client.query<{ size: string }>(
    'SELECT pg_size_pretty(pg_database_size(current_database())) AS size',
  );
  return rows[0]?.size ?? '';
}
