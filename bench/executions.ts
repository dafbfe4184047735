// How many execution reports a second come through: from the venue's socket to orders, executions and journal.
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { measureCopy } from './executions/copy.ts';
import { openBroker, type Broker } from './executions/broker.ts';
import { placePaced, type PacedFigures } from './executions/paced-orders.ts';
import {
  drawRates,
  tellFigures,
  type ExecutionFigures,
  type FloodFigures,
  type PlacingFigures,
} from './executions/report.ts';
import {
  insertOrders,
  readApplied,
  startSite,
  waitUntilRecorded,
  type ProcessorTime,
  type StreamSite,
} from './executions/stream-site.ts';
import { BENCH_SECRET, daybookOn, isDaybookBuilt, seedDaybook } from './placement/http-contenders.ts';
import { CATALOGUE } from './support/catalogue.ts';
import { createDatabase, settle } from './support/database.ts';
import { runBenchmark } from './support/lifetime.ts';
import { createRequests } from './support/load/order-requests.ts';
import { describeMachine, machineLine } from './support/machine.ts';
import { readOptions, type Options } from './support/options.ts';
import { openPostgres, type PostgresServer } from './support/postgres-server.ts';
import { keepResults } from './support/results.ts';
import { median } from './support/statistics.ts';
import { figure, say, showProgress } from './support/terminal.ts';

/** More than can be applied, so that there is always something to do. */
const FLOOD_PER_SECOND = 200_000;
const COPIED_AT_MOST = 500_000;
const COPIES = 3;

await runBenchmark(async () => {
  const options = readOptions({
    orders: { default: '20000', help: 'that the reports are of, each in turn' },
    reports: { default: '600000', help: 'in each round' },
    consumers: { default: '1', help: 'processes that apply' },
    rounds: { default: '3', help: 'of which the median counts, after one that does not' },
    bus: { default: 'postgres,nats', help: 'which to measure; nats where there is a nats-server' },
    'place-rate': { default: '200', help: 'orders a second that are placed beside a stream' },
    'stream-rate': {
      default: '10000',
      help: 'reports a second beside them; then once more, half of what was measured',
    },
    'place-seconds': { default: '15', help: 'for so long, with and without' },
  });
  if (options !== undefined) await measureExecutions(options);
});

async function measureExecutions(options: Options): Promise<void> {
  if (!isDaybookBuilt()) throw new Error('Daybook is not built: npm run build');
  const machine = describeMachine();
  const postgres = await openPostgres(options.databaseUrl);
  say(machineLine(machine, postgres));
  const measured: BusFigures[] = [];
  for (const bus of options.list('bus')) {
    const broker = bus === 'nats' ? await openBroker() : undefined;
    if (bus === 'nats' && broker === undefined) {
      say('no nats-server on this machine: JetStream is left out');
      continue;
    }
    measured.push(await measureBus(bus, broker, postgres, options));
    await broker?.stop();
  }
  const date = new Date().toISOString();
  // The rows are alike, so all are held against one figure.
  const copyPerSecond = median(measured.flatMap(({ copies }) => copies));
  const figures: ExecutionFigures = {
    benchmark: 'executions',
    date,
    machine,
    postgres,
    copyPerSecond,
    floods: measured.map(({ flood }) => ({ ...flood, ratio: flood.perSecond / copyPerSecond })),
    placing: measured.flatMap(({ placing }) => placing),
  };
  tellFigures(figures);
  const footnote = `${machineLine(machine, postgres)}. ${date.slice(0, 10)}.`;
  await keepResults('executions', figures, { 'executions.svg': drawRates(figures, footnote) });
}

interface BusFigures {
  readonly flood: Omit<FloodFigures, 'ratio'>;
  readonly placing: ExecutionFigures['placing'];
  /** Rows a second, each time. */
  readonly copies: readonly number[];
}

async function measureBus(
  bus: string,
  broker: Broker | undefined,
  postgres: PostgresServer,
  options: Options,
): Promise<BusFigures> {
  const database = await createDatabase(postgres, `executions-${bus}`);
  await seedDaybook(daybookOn(database));
  const shape = { consumers: options.wholeNumber('consumers'), natsUrl: broker?.url };
  const site = await startSite(database, shape, broker?.processId);
  const orders = options.wholeNumber('orders');
  const fillsPerOrder = Math.max(1, Math.round(options.wholeNumber('reports') / orders));
  const rounds: Round[] = [];
  for (let round = 0; round <= options.wholeNumber('rounds'); round++) {
    const measured = await measureFlood(site, orders, fillsPerOrder, `${bus}, round ${round}`);
    say(`${bus}, round ${round}: ${figure(measured.perSecond)} reports a second`);
    if (round > 0) rounds.push(measured);
  }
  const perSecond = median(rounds.map((round) => round.perSecond));
  const copies: number[] = [];
  for (let copy = 0; copy < COPIES; copy++) copies.push(await measureCopy(database, COPIED_AT_MOST));
  const rates = bus === 'postgres' ? [options.wholeNumber('stream-rate'), Math.round(perSecond / 2)] : [];
  const placing: PlacingFigures[] = [];
  for (const rate of rates) placing.push(await measurePlacing(site, rate, orders, options));
  await site.stop();
  const flood = {
    bus,
    orders,
    reportsPerRound: orders * fillsPerOrder,
    consumers: shape.consumers,
    perSecond,
    rounds: rounds.map((round) => round.perSecond),
    reportsPerBatch: median(rounds.map((round) => round.reportsPerBatch)),
    reportsPerJournalRow: median(rounds.map((round) => round.reportsPerJournalRow)),
    processorMicrosecondsPerReport: perReport(rounds, orders * fillsPerOrder),
  };
  return { flood, placing, copies };
}

interface Round {
  readonly perSecond: number;
  readonly reportsPerBatch: number;
  readonly reportsPerJournalRow: number;
  readonly used: ProcessorTime;
}

/** All orders are filled, each by so many trades in turn with the others, as fast as they are applied. */
async function measureFlood(
  site: StreamSite,
  orders: number,
  fillsPerOrder: number,
  what: string,
): Promise<Round> {
  const { database, simulator } = site;
  const { first, quantity } = await insertOrders(database, orders, fillsPerOrder);
  await settle(database);
  const before = await readWork(site);
  const target = before.recorded + orders * fillsPerOrder;
  const usedBefore = await site.processorTime();
  const begin = performance.now();
  await simulator.flood({
    orders: { first, count: orders, quantity },
    fillsPerOrder,
    priceCents: 10_000,
    ratePerSecond: FLOOD_PER_SECOND,
  });
  await waitUntilRecorded(database, target, (recorded) =>
    showProgress(`${what}: ${figure(recorded - before.recorded)} reports applied …`),
  );
  const seconds = (performance.now() - begin) / 1_000;
  const usedAfter = await site.processorTime();
  const after = await readWork(site);
  const reports = orders * fillsPerOrder;
  const { rows } = await database.client.query<{ open: number }>(
    `SELECT count(*) FILTER (WHERE status <> 'filled')::int AS open FROM exchange_orders`,
  );
  if (rows[0]?.open !== 0) throw new Error(`${rows[0]?.open} orders are not filled`);
  return {
    perSecond: reports / seconds,
    reportsPerBatch: reports / (after.batches - before.batches),
    reportsPerJournalRow: reports / (after.journal - before.journal),
    used: difference(usedAfter, usedBefore),
  };
}

async function readWork({ database }: StreamSite) {
  const { rows } = await database.client.query<{ batches: number; journal: number; recorded: number }>(
    `SELECT coalesce(sum(batches), 0)::float8 AS batches, coalesce(sum(recorded), 0)::float8 AS recorded,
       (SELECT count(*)::float8 FROM journal WHERE type = 'exchange_order.executed') AS journal FROM execution_offsets`,
  );
  return rows[0] ?? { batches: 0, journal: 0, recorded: 0 };
}

function difference(after: ProcessorTime, before: ProcessorTime): ProcessorTime {
  const names = Object.keys(after) as (keyof ProcessorTime)[];
  return Object.fromEntries(
    names.map((name) => [name, after[name] - before[name]]),
  ) as unknown as ProcessorTime;
}

function perReport(rounds: readonly Round[], reports: number): ProcessorTime {
  const names = Object.keys(rounds[0]?.used ?? {}) as (keyof ProcessorTime)[];
  const entries = names.map((name) => [
    name,
    (median(rounds.map(({ used }) => used[name])) / reports) * 1_000_000,
  ]);
  return Object.fromEntries(entries) as ProcessorTime;
}

/** Orders are placed at a set rate, by turns with and without a stream at another. */
async function measurePlacing(
  site: StreamSite,
  rate: number,
  orders: number,
  options: Options,
): Promise<PlacingFigures> {
  const { database, simulator } = site;
  const perSecond = options.wholeNumber('place-rate');
  const seconds = options.wholeNumber('place-seconds');
  const api = await daybookOn(database, 'api').start();
  const next = await createRequests({ secret: BENCH_SECRET, customers: 500, products: CATALOGUE.products });
  const place = () => placePaced(api.url, next, perSecond, seconds);
  const turns: { without: PacedFigures; with: PacedFigures }[] = [];
  for (let turn = 0; turn <= options.wholeNumber('rounds'); turn++) {
    showProgress(`placing ${perSecond} orders a second, turn ${turn} …`);
    await settle(database);
    const without = await place();
    const fillsPerOrder = Math.ceil((rate * (seconds + 4)) / orders);
    const { first, quantity } = await insertOrders(database, orders, fillsPerOrder);
    await settle(database);
    const { recorded } = await readApplied(database);
    await simulator.flood({
      orders: { first, count: orders, quantity },
      fillsPerOrder,
      priceCents: 10_000,
      ratePerSecond: rate,
    });
    await pause(2_000);
    const beside = await place();
    await waitUntilRecorded(database, recorded + orders * fillsPerOrder, () => undefined);
    say(
      `placed alone: p99 ${figure(without.p99Ms)} ms; beside ${figure(rate)} reports a second: ${figure(beside.p99Ms)} ms`,
    );
    if (turn > 0) turns.push({ without, with: beside });
  }
  await api.stop();
  const middle = (of: 'without' | 'with', name: 'p50Ms' | 'p99Ms') =>
    median(turns.map((turn) => turn[of][name]));
  return {
    ordersPerSecond: perSecond,
    streamPerSecond: rate,
    without: { p50Ms: middle('without', 'p50Ms'), p99Ms: middle('without', 'p99Ms') },
    with: { p50Ms: middle('with', 'p50Ms'), p99Ms: middle('with', 'p99Ms') },
    ratio: median(turns.map((turn) => turn.with.p99Ms / turn.without.p99Ms)),
    turns,
  };
}
