import type { PgbenchResult } from '../baselines/pgbench/pgbench.ts';
import type { Books } from '../support/books.ts';
import { groupedBars, rankedBars } from '../support/charts/bars.ts';
import { machineLine, type Machine } from '../support/machine.ts';
import type { PostgresServer } from '../support/postgres-server.ts';
import { median } from '../support/statistics.ts';
import { figure, say, table } from '../support/terminal.ts';
import type { HttpContenderId } from './http-contenders.ts';
import type { HotProductFigures } from './hot-product.ts';
import type { PlacementOptions } from './options.ts';
import type { HttpFigure, PgbenchFigure, Rounds } from './rounds.ts';

export interface PlacementFigures {
  benchmark: 'placement';
  date: string;
  machine: Machine;
  postgres: Omit<PostgresServer, 'url'>;
  options: Omit<PlacementOptions, 'databaseUrl'>;
  labels: Partial<Record<HttpContenderId, string>>;
  poolSizes: Partial<Record<HttpContenderId, number>>;
  medians: HttpMedian[];
  pgbenchMedians: PgbenchResult[];
  hotMedians: { daybook: number; pgbenchBest: number };
  ratios: Ratio[];
  rounds: Rounds;
  hotProduct: HotProductFigures | undefined;
  books: Record<string, Books>;
}

export interface HttpMedian {
  contender: HttpContenderId;
  connections: number;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  generatorMicrosecondsPerRequest: number;
}

export interface Ratio {
  name: string;
  value: number;
  goal: number;
  /** A latency must stay below its goal, a throughput must reach it. */
  atMost: boolean;
}

export function httpMedians(figures: HttpFigure[]): HttpMedian[] {
  const cells = Map.groupBy(figures, ({ contender, load }) => `${contender} ${load.connections}`);
  return [...cells.values()].flatMap((cell) => {
    const first = cell[0];
    if (first === undefined) return [];
    const middle = (read: (one: HttpFigure) => number): number => median(cell.map(read));
    return {
      contender: first.contender,
      connections: first.load.connections,
      perSecond: middle(({ load }) => load.perSecond),
      p50Ms: middle(({ load }) => load.latencyMs.p50),
      p99Ms: middle(({ load }) => load.latencyMs.p99),
      generatorMicrosecondsPerRequest: middle(({ load }) => load.generatorMicrosecondsPerRequest),
    };
  });
}

export function pgbenchMedians(figures: PgbenchFigure[]): PgbenchResult[] {
  const cells = Map.groupBy(figures, ({ result }) => result.script);
  return [...cells].map(([script, cell]) => ({
    script,
    clients: cell[0]?.result.clients ?? 0,
    orders: median(cell.map(({ result }) => result.orders)),
    perSecond: median(cell.map(({ result }) => result.perSecond)),
    averageMs: median(cell.map(({ result }) => result.averageMs)),
  }));
}

/** What the comparison is for. A ratio whose sides were not both measured is left out. */
export function findRatios({ medians, pgbenchMedians: pgbench, hotMedians: hot }: PlacementFigures): Ratio[] {
  const http = (contender: HttpContenderId, connections: number): HttpMedian | undefined =>
    medians.find((one) => one.contender === contender && one.connections === connections);
  const daybook = http('daybook', 256)?.perSecond;
  const ratios: [
    name: string,
    over: number | undefined,
    under: number | undefined,
    goal: number,
    atMost?: true,
  ][] = [
    ...pgbench.map(({ script, perSecond }): [string, number | undefined, number, number] => [
      `orders/s, Daybook at 256 connections to pgbench (${script}) at its best`,
      daybook,
      perSecond,
      2,
    ]),
    [
      'orders/s at 256, Daybook to Nest + TypeORM (counter row)',
      daybook,
      http('nest-typeorm', 256)?.perSecond,
      4,
    ],
    [
      'orders/s at 256, Daybook to Nest + TypeORM (sequence)',
      daybook,
      http('nest-typeorm-sequence', 256)?.perSecond,
      4,
    ],
    [
      'median latency at 1, Daybook to Nest + TypeORM (counter row)',
      http('daybook', 1)?.p50Ms,
      http('nest-typeorm', 1)?.p50Ms,
      1.5,
      true,
    ],
    ['orders/s for one hot product, Daybook at 1000 to pgbench at its best', hot.daybook, hot.pgbenchBest, 3],
  ];
  return ratios
    .map(([name, over = NaN, under = NaN, goal, atMost = false]) => ({
      name,
      value: over / under,
      goal,
      atMost,
    }))
    .filter(({ value }) => Number.isFinite(value));
}

export function tellPlacement(figures: PlacementFigures): void {
  const { medians, options, labels, pgbenchMedians: pgbench, ratios } = figures;
  const contenders = Object.entries(labels) as [HttpContenderId, string][];
  const rows = (read: (one: HttpMedian) => string): string[][] =>
    options.connections.map((connections) => [
      String(connections),
      ...contenders.map(([id]) => {
        const found = medians.find((one) => one.contender === id && one.connections === connections);
        return found === undefined ? '–' : read(found);
      }),
    ]);
  const head = ['connections', ...contenders.map(([, label]) => label)];
  if (medians.length > 0) {
    say(`\nOrders a second, median of ${options.rounds} rounds\n`);
    say(
      table(
        head,
        rows((one) => figure(one.perSecond)),
      ),
    );
    say('\nLatency, p50 / p99 in ms\n');
    say(
      table(
        head,
        rows((one) => `${figure(one.p50Ms)} / ${figure(one.p99Ms)}`),
      ),
    );
    const fastest = medians.reduce((best, one) => (one.perSecond > best.perSecond ? one : best));
    const generator = figure(fastest.generatorMicrosecondsPerRequest);
    say(`\nAt the highest rate the load generator took ${generator} µs of processor time a request.\n`);
  }
  for (const { script, clients, perSecond, averageMs } of pgbench) {
    say(
      `pgbench, ${script}, ${clients} clients: ${figure(perSecond)} orders/s, ${figure(averageMs)} ms each`,
    );
  }
  if (ratios.length === 0) return;
  say(`\n${table(['ratio', 'measured', 'goal', ''], ratios.map(ratioRow))}`);
}

function ratioRow({ name, value, goal, atMost }: Ratio): string[] {
  const reached = atMost ? value <= goal : value >= goal;
  return [name, `${figure(value)} ×`, `${atMost ? '≤' : '≥'} ${goal} ×`, reached ? 'reached' : 'missed'];
}

export function drawPlacement(figures: PlacementFigures): Record<string, string> {
  const {
    medians,
    options,
    labels,
    pgbenchMedians: pgbench,
    hotMedians: hot,
    machine,
    postgres,
    date,
  } = figures;
  const footnote = `${machineLine(machine, postgres)}. ${date.slice(0, 10)}.`;
  const contenders = Object.entries(labels) as [HttpContenderId, string][];
  const charts: Record<string, string> = {};
  if (medians.length > 0) {
    charts['placement.svg'] = groupedBars({
      title: 'Orders placed per second over HTTP',
      subtitle:
        'Two lines an order, 5,000 products, durable commits; client, server and database share the cores',
      footnote,
      groupsAre: 'connections',
      groups: options.connections.map(String),
      series: contenders.map(([id, label]) => ({
        label,
        values: options.connections.map(
          (connections) =>
            medians.find((one) => one.contender === id && one.connections === connections)?.perSecond ?? NaN,
        ),
      })),
      marks: pgbench.map(({ script, clients, perSecond }) => ({
        label: `pgbench without HTTP, ${script}, ${clients} clients`,
        value: perSecond,
      })),
    });
  }
  if (Number.isFinite(hot.daybook) && Number.isFinite(hot.pgbenchBest)) {
    charts['hot-product.svg'] = rankedBars({
      title: 'Orders per second when everybody orders the same product',
      subtitle: 'One line an order, every commit durable',
      footnote,
      bars: [
        { label: 'Daybook, 1,000 connections', value: hot.daybook, note: '', strong: true },
        { label: 'pgbench without HTTP, at its best', value: hot.pgbenchBest, note: '', strong: false },
      ],
    });
  }
  return charts;
}
