import { parseArgs } from 'node:util';

import {
  BadOption,
  listProblems,
  nextInterruption,
  runCampaign,
  say,
  showProgress,
  unlessInterrupted,
  whole,
} from '../chaos/command-line.js';
import { type Daybook, foreignDaybook, startDaybook } from './daybook.js';
import { histogram, type Summary } from './figures.js';
import { LoadRun, type LoadReport } from './load-run.js';

const USAGE = `Places many orders at once, waits until the workers have worked them off, and looks whether all is as promised.

  npm run load -- [options]

  --orders <n>        how many (default 1000)
  --concurrency <n>   connections, each with one order under way (default 1000)
  --high <percent>    of them have the priority high (default 30)
  --processing <ms>   how long the simulated processor takes, 10-100 (the default) for any time between; none: as it likes
  --workers <n>       that there are, in all processes together (default 10)
  --url <origin>      of a Daybook that runs already; without it one is started, with a database of its own
  --token <token>     an operator's, for that Daybook; npm start prints one. The product LOAD gets stock there
  --json              only the result, for machines

Ends with 0 when every order was accepted and worked off with one outcome and a whole journal, orders of a priority were
started in the order of their numbers, and list, metrics and report agree; with 1 otherwise. Needs \`npm run build\`
unless --url is given.
`;

await runCampaign(USAGE, process.argv.slice(2), (args) => run(readOptions(args)));

interface Options {
  readonly orders: number;
  readonly connections: number;
  readonly highPercent: number;
  readonly processingMs: readonly [least: number, most: number] | undefined;
  readonly workers: number;
  readonly url: string | undefined;
  readonly token: string | undefined;
  readonly isForMachines: boolean;
}

function readOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      orders: { type: 'string', default: '1000' },
      concurrency: { type: 'string', default: '1000' },
      high: { type: 'string', default: '30' },
      processing: { type: 'string', default: '10-100' },
      workers: { type: 'string', default: '10' },
      url: { type: 'string' },
      token: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const { url, token } = values;
  if ((url === undefined) !== (token === undefined))
    throw new BadOption('--url and --token go together: a Daybook that runs, and an operator of it');
  if (url !== undefined && !URL.canParse(url))
    throw new BadOption('--url must be like http://127.0.0.1:3000');
  const orders = whole('orders', values.orders, 1, 100_000);
  return {
    orders,
    connections: Math.min(orders, whole('concurrency', values.concurrency, 1, 5_000)),
    highPercent: whole('high', values.high, 0, 100),
    processingMs: readRange(values.processing),
    workers: whole('workers', values.workers, 1, 10_000),
    url,
    token,
    isForMachines: values.json,
  };
}

function readRange(text: string): Options['processingMs'] {
  if (text === 'none') return undefined;
  const [least = '', most = least] = text.split('-');
  const range = [whole('processing', least, 0, 600_000), whole('processing', most, 0, 600_000)] as const;
  if (range[0] > range[1]) throw new BadOption('--processing must be like 50, 10-100 or none');
  return range;
}

async function run(options: Options): Promise<number> {
  const interruption = nextInterruption();
  const { orders, connections, workers, url, token, isForMachines } = options;
  if (!isForMachines) say(`${orders} orders on ${connections} connections, for ${workers} workers\n`);
  const daybook = url === undefined ? await startDaybook(workers) : foreignDaybook(url, `${token}`);
  try {
    if (url !== undefined) await refuseUnusable(daybook);
    return await unlessInterrupted(load(daybook, options), interruption);
  } finally {
    await daybook.close();
  }
}

/** @throws {BadOption} */
async function refuseUnusable({ origin, ask }: Daybook): Promise<void> {
  // What only operators may see.
  const answer = await ask('GET', '/metrics').catch((error: Error) => {
    throw new BadOption(
      `Nobody answers at ${origin}: ${(error.cause as Error | undefined)?.message ?? error.message}`,
    );
  });
  if (answer.status !== 200)
    throw new BadOption(
      `--token is not an operator's, or ${origin} is no Daybook: it answered ${answer.status}`,
    );
}

async function load(daybook: Daybook, options: Options): Promise<number> {
  const { orders, isForMachines } = options;
  const loadRun = new LoadRun(daybook, options);
  const stopShowing = isForMachines
    ? () => undefined
    : showProgress(() => {
        const { placed, counts } = loadRun;
        const { pending = 0, processing = 0, confirmed = 0, failed = 0 } = counts;
        return (
          `${placed}/${orders} placed, ${pending} wait, ${processing} in processing, ` +
          `${confirmed + failed} done${failed > 0 ? ` (${failed} failed)` : ''}`
        );
      });
  const report = await loadRun.run().finally(stopShowing);
  if (isForMachines) sayJson(report, options);
  else sayReport(report, options);
  return report.problems.length === 0 ? 0 : 1;
}

function sayJson({ placementMs, doneMs, ...report }: LoadReport, options: Options): void {
  const { orders, connections, workers } = options;
  const verdict = report.problems.length === 0 ? 'passed' : 'failed';
  say(`${JSON.stringify({ verdict, orders, connections, workers, ...report }, undefined, 2)}\n`);
}

function sayReport(report: LoadReport, { workers }: Options): void {
  const { placementMs, doneMs, placement, done, byStatus, placingMs, workMs, idealMs, checked, problems } =
    report;
  say(`\nFrom the request to the answer (${inWords(placement)}):\n${histogram(placementMs, 'ms')}`);
  say(`\nFrom placed to done (${inWords(done)}):\n${histogram(doneMs, 'ms')}\n`);
  const statuses = Object.entries(byStatus).map(([status, count]) => `${count} ${status}`);
  const perSecond = (placementMs.length / placingMs) * 1000;
  say(`Placed in ${seconds(placingMs)} (${perSecond.toFixed(0)} a second): ${statuses.join(', ')}.\n`);
  if (idealMs !== undefined)
    say(
      `Worked off in ${seconds(workMs)}; ${workers} workers who lose no moment would take ${seconds(idealMs)} ` +
        `(${((idealMs / workMs) * 100).toFixed(0)} % of it).\n`,
    );
  if (problems.length > 0) say(`\nThis is NOT as promised:\n${listProblems(problems)}`);
  else say(`\nAll accepted, all worked off once and in their order; looked up in ${checked.join(', ')}.\n`);
}

function inWords({ p50, p95, p99, max }: Summary): string {
  const [half, most, nearly, all] = [p50, p95, p99, max].map((value) => `${value.toFixed(0)} ms`);
  return `p50 ${half}, p95 ${most}, p99 ${nearly}, at most ${all}`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
