import { SCRIPTS, type PgbenchResult, type Script } from '../baselines/pgbench/pgbench.ts';
import { CATALOGUE } from '../support/catalogue.ts';
import type { LoadResult, StatusCounts } from '../support/load/load-plan.ts';
import { figure, say, showProgress } from '../support/terminal.ts';
import { measureOrders, type HttpContender } from './http-contenders.ts';
import type { PlacementOptions } from './options.ts';
import {
  findBestClients,
  hotGoods,
  measurePgbench,
  type Goods,
  type PgbenchContender,
} from './pgbench-contender.ts';
import { describeLoad, type HttpFigure, type PgbenchFigure } from './rounds.ts';

const CONNECTIONS = 1_000;
const SOLD_OUT_REQUESTS = 5_000;
const SOLD_OUT_SECONDS_AT_MOST = 60;

export interface HotProductFigures {
  connections: number;
  http: HttpFigure[];
  pgbench: PgbenchFigure[];
  soldOut: { stock: number; requests: number; statuses: StatusCounts; available: number } | undefined;
}

/** Everybody orders one product: what a lock on one row costs, and whether the last piece is sold once. */
export async function measureHotProduct(
  daybook: HttpContender | undefined,
  pgbench: PgbenchContender | undefined,
  options: PlacementOptions,
): Promise<HotProductFigures> {
  const figures: HotProductFigures = { connections: CONNECTIONS, http: [], pgbench: [], soldOut: undefined };
  const alone = pgbench && (await prepareAlone(pgbench));
  for (let round = 1; round <= options.rounds; round++) {
    if (daybook !== undefined) {
      figures.http.push({
        round,
        contender: daybook.id,
        load: await orderHot(daybook, options.seconds, round),
      });
    }
    if (pgbench === undefined || alone === undefined) continue;
    for (const script of SCRIPTS) {
      const result = await measurePgbench(
        pgbench,
        alone.goods,
        script,
        alone.clients[script],
        options.seconds,
      );
      say(`hot product, round ${round}  pgbench, ${describe(result)} orders/s`);
      figures.pgbench.push({ round, result });
    }
  }
  if (daybook !== undefined) figures.soldOut = await sellOut(daybook);
  return figures;
}

async function prepareAlone(
  pgbench: PgbenchContender,
): Promise<{ goods: Goods; clients: Record<Script, number> }> {
  const goods = await hotGoods(pgbench);
  const tried: string[] = [];
  const clients = await findBestClients(pgbench, goods, (result) => {
    tried.push(describe(result));
    showProgress(`hot product, trying pgbench: ${tried.slice(-4).join(', ')} …`);
  });
  say(`hot product, pgbench by clients: ${tried.join(', ')}`);
  return { goods, clients };
}

function describe({ script, clients, perSecond }: PgbenchResult): string {
  return `${script} ${clients}: ${figure(perSecond)}`;
}

async function orderHot(daybook: HttpContender, seconds: number, round: number): Promise<LoadResult> {
  const server = await daybook.start();
  const load = { connections: CONNECTIONS, warmUpSeconds: 2, seconds, hotSku: CATALOGUE.hotSku };
  const result = await measureOrders(daybook, server, load);
  await server.stop();
  say(`hot product, round ${round}  ${describeLoad(daybook.label, result)}`);
  return result;
}

/** @throws unless exactly the stock was sold and everybody else was told so */
async function sellOut(daybook: HttpContender): Promise<HotProductFigures['soldOut']> {
  const server = await daybook.start();
  const { allStatuses: statuses } = await measureOrders(daybook, server, {
    connections: CONNECTIONS,
    warmUpSeconds: 0,
    seconds: SOLD_OUT_SECONDS_AT_MOST,
    maximumRequests: SOLD_OUT_REQUESTS,
    hotSku: CATALOGUE.scarceSku,
  });
  await server.stop();
  const { rows } = await daybook.database.client.query<{ available: number }>(
    `SELECT sum(on_hand - reserved - allocated)::int AS available
     FROM stock_levels JOIN products ON products.id = product_id WHERE sku = $1`,
    [CATALOGUE.scarceSku],
  );
  const soldOut = {
    stock: CATALOGUE.scarceStock,
    requests: SOLD_OUT_REQUESTS,
    statuses,
    available: rows[0]?.available ?? NaN,
  };
  const refused = SOLD_OUT_REQUESTS - CATALOGUE.scarceStock;
  if (statuses['201'] !== CATALOGUE.scarceStock || statuses['409'] !== refused || soldOut.available !== 0) {
    throw new Error(`the last piece was not sold exactly once: ${JSON.stringify(soldOut)}`);
  }
  say(
    `sold out: ${CATALOGUE.scarceStock} in stock, ${SOLD_OUT_REQUESTS} orders: ${JSON.stringify(statuses)}`,
  );
  return soldOut;
}
