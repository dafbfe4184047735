// Whether Daybook's memory stays where it is: one process takes 200,000 orders while its size is watched.
import { isDaybookBuilt, measureOrders, prepareDaybook } from './placement/http-contenders.ts';
import { curve } from './support/charts/curve.ts';
import { runBenchmark } from './support/lifetime.ts';
import { describeMachine, machineLine } from './support/machine.ts';
import { residentMegabytes } from './support/resident-memory.ts';
import { readOptions, type Options } from './support/options.ts';
import { openPostgres } from './support/postgres-server.ts';
import { keepResults } from './support/results.ts';
import { slope } from './support/statistics.ts';
import { figure, say, showProgress, table } from './support/terminal.ts';

const GOAL_MB = 250;
// Growth over as many orders as this that counts as none: less than the collector's own ups and downs.
const FLAT = { orders: 100_000, megabytes: 10 };
const SAMPLES = 20;
const SECONDS_AT_MOST = 900;

await runBenchmark(async () => {
  const options = readOptions({
    orders: { default: '200000', help: 'to place' },
    connections: { default: '64', help: 'to place them over' },
    roles: { default: 'api', help: 'of the process: api,worker,scheduler' },
  });
  if (options !== undefined) await measureMemory(options);
});

type Sample = readonly [orders: number, megabytes: number];

async function measureMemory(options: Options): Promise<void> {
  const orders = options.wholeNumber('orders');
  const connections = options.wholeNumber('connections');
  const roles = options.text('roles');
  if (!isDaybookBuilt()) throw new Error('Daybook is not built: npm run build');
  const machine = describeMachine();
  const { url, ...postgres } = await openPostgres(options.databaseUrl);
  say(machineLine(machine, postgres));
  showProgress('preparing Daybook …');
  const daybook = await prepareDaybook({ url, ...postgres }, roles);
  const server = await daybook.start();

  const samples: Sample[] = [[0, residentMegabytes(server.processId)]];
  const sample = (answered: number): void => {
    const megabytes = residentMegabytes(server.processId);
    samples.push([answered, megabytes]);
    say(`${String(answered).padStart(8)} orders  ${figure(megabytes)} MB`);
  };
  const load = await measureOrders(
    daybook,
    server,
    { connections, warmUpSeconds: 0, seconds: SECONDS_AT_MOST, maximumRequests: orders },
    ({ answered }) => {
      showProgress(`${answered} of ${orders} orders …`);
      if (answered >= (samples.length * orders) / SAMPLES) sample(answered);
    },
  );
  const placed = load.allStatuses['201'] ?? 0;
  sample(placed);
  await server.stop();

  const summary = summarize(samples, placed);
  tell(summary, load.perSecond);
  const date = new Date().toISOString();
  const footnote = `${machineLine(machine, postgres)}. ${date.slice(0, 10)}.`;
  await keepResults(
    'memory',
    {
      benchmark: 'memory',
      date,
      machine,
      postgres,
      options: { orders, connections, roles },
      summary,
      perSecond: load.perSecond,
      samples,
    },
    {
      'memory.svg': curve({
        title: 'Resident memory of one Daybook process',
        subtitle: `Placing ${orders.toLocaleString('en-US')} orders over ${connections} connections`,
        footnote,
        xIs: 'orders placed',
        yIs: 'MB',
        points: samples,
        limit: { label: 'goal', value: GOAL_MB },
      }),
    },
  );
}

interface Summary {
  orders: number;
  maximumMegabytes: number;
  /** Growth over the second half of the run, scaled to 100,000 orders. */
  growthMegabytes: number;
}

function summarize(samples: Sample[], orders: number): Summary {
  const secondHalf = samples.filter(([answered]) => answered >= orders / 2);
  return {
    orders,
    maximumMegabytes: Math.max(...samples.map(([, megabytes]) => megabytes)),
    growthMegabytes: slope(secondHalf) * FLAT.orders,
  };
}

function tell({ orders, maximumMegabytes, growthMegabytes }: Summary, perSecond: number): void {
  say(`\n${orders.toLocaleString('en-US')} orders at ${figure(perSecond)} a second\n`);
  const verdict = (reached: boolean): string => (reached ? 'reached' : 'missed');
  say(
    table(
      ['', 'measured', 'goal', ''],
      [
        ['maximum', `${figure(maximumMegabytes)} MB`, `< ${GOAL_MB} MB`, verdict(maximumMegabytes < GOAL_MB)],
        [
          `growth per ${FLAT.orders.toLocaleString('en-US')} orders, second half`,
          `${figure(growthMegabytes)} MB`,
          `< ${FLAT.megabytes} MB`,
          verdict(growthMegabytes < FLAT.megabytes),
        ],
      ],
    ),
  );
}
