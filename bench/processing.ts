// How many orders a second are worked off when the work itself takes no time, beside the job engine doing empty jobs.
import { prepareDaybookWorkers, preparePgBoss, type Contender, type Shape } from './processing/contenders.ts';
import { groupedBars } from './support/charts/bars.ts';
import { isDaybookBuilt } from './placement/http-contenders.ts';
import { runBenchmark } from './support/lifetime.ts';
import { describeMachine, machineLine } from './support/machine.ts';
import { readOptions, type Options } from './support/options.ts';
import { openPostgres } from './support/postgres-server.ts';
import { keepResults } from './support/results.ts';
import { median } from './support/statistics.ts';
import { figure, say, showProgress, table } from './support/terminal.ts';

const GOAL = 0.6;

await runBenchmark(async () => {
  const options = readOptions({
    orders: { default: '20000', help: 'to work off in each measurement' },
    workers: { default: '10,100', help: 'at a time per process' },
    processes: { default: '1,2', help: 'worker processes' },
    rounds: { default: '3', help: 'of which the median counts' },
  });
  if (options !== undefined) await measureProcessing(options);
});

interface Row {
  readonly shape: Shape;
  /** Medians by the contender's label. */
  readonly perSecond: Readonly<Record<string, number>>;
  readonly ratio: number;
}

async function measureProcessing(options: Options): Promise<void> {
  if (!isDaybookBuilt()) throw new Error('Daybook is not built: npm run build');
  const machine = describeMachine();
  const postgres = await openPostgres(options.databaseUrl);
  say(machineLine(machine, postgres));
  const contenders = [await prepareDaybookWorkers(postgres), await preparePgBoss(postgres, 'batches')];
  const shapes = options
    .wholeNumbers('processes')
    .flatMap((processes) => options.wholeNumbers('workers').map((workers) => ({ processes, workers })));
  const rows: Row[] = [];
  for (const shape of shapes) {
    rows.push(await measureShape(contenders, shape, options));
    say(toCells(rows.at(-1) as Row).join('  '));
  }
  tell(rows, contenders);
  const date = new Date().toISOString();
  await keepResults(
    'processing',
    { benchmark: 'processing', date, machine, postgres, rows },
    { 'processing.svg': draw(rows, contenders, `${machineLine(machine, postgres)}. ${date.slice(0, 10)}.`) },
  );
}

/** The contenders take turns, so that a slow minute of the machine is nobody's alone. */
async function measureShape(contenders: readonly Contender[], shape: Shape, options: Options): Promise<Row> {
  const orders = options.wholeNumber('orders');
  const rounds = options.wholeNumber('rounds');
  const figures = new Map<string, number[]>(contenders.map(({ label }) => [label, []]));
  for (let round = 1; round <= rounds; round++) {
    for (const { label, measure } of contenders) {
      showProgress(`${shape.processes} × ${shape.workers} workers, round ${round} of ${rounds}: ${label} …`);
      figures.get(label)?.push(await measure(orders, shape));
    }
  }
  const perSecond = Object.fromEntries([...figures].map(([label, all]) => [label, median(all)]));
  const [daybook, ...engines] = contenders.map(({ label }) => perSecond[label] ?? 0);
  return { shape, perSecond, ratio: (daybook ?? 0) / Math.max(...engines) };
}

function toCells({ shape, perSecond, ratio }: Row): string[] {
  const { processes, workers } = shape;
  return [`${processes} × ${workers}`, ...Object.values(perSecond).map(figure), `${ratio.toFixed(2)} x`];
}

function tell(rows: readonly Row[], contenders: readonly Contender[]): void {
  say('\nworked off a second, medians:\n');
  const head = [
    'processes × workers',
    ...contenders.map(({ label }) => label),
    'Daybook to the best pg-boss',
  ];
  say(table(head, rows.map(toCells)));
  const isReached = rows.every(({ ratio }) => ratio >= GOAL);
  say(`\ngoal at least ${GOAL} x everywhere: ${isReached ? 'reached' : 'missed'}`);
}

function draw(rows: readonly Row[], contenders: readonly Contender[], footnote: string): string {
  return groupedBars({
    title: 'Worked off per second, when the work takes no time',
    subtitle: 'Orders by Daybook, empty jobs by pg-boss; processes × workers each',
    footnote,
    groupsAre: 'processes × workers',
    groups: rows.map(({ shape: { processes, workers } }) => `${processes} × ${workers}`),
    series: contenders.map(({ label }) => ({
      label,
      values: rows.map(({ perSecond }) => perSecond[label] ?? 0),
    })),
    marks: [],
  });
}
