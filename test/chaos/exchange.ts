import { parseArgs } from 'node:util';

import { startVenue } from '../support/exchange-simulator.js';
import {
  anySeed,
  LARGEST_SEED,
  listProblems,
  nextInterruption,
  runCampaign,
  say,
  showProgress,
  unlessInterrupted,
  whole,
} from './command-line.js';
import { ExchangeCampaign, type ExchangeReport } from './exchange-campaign.js';
import { Site } from './site.js';

const USAGE = `Places orders at a venue that fails and loses answers, by processes that are killed meanwhile, and compares the books.

  npm run chaos:exchange -- [options]

  --orders <n>       to place (default 1000)
  --kills <n>        how often all processes are killed (default 2)
  --processes <n>    of Daybook (default 1)
  --failures <n>     percent of the venue's requests that are answered 503 (default 10)
  --lost <n>         percent of its answers that are lost (default 10)
  --latency <ms>     its longest latency; the shortest is 0 (default 3000)
  --lag <ms>         the worst p99 of the event loop's lag over five seconds that passes; 0: any (default 50)
  --seed <n>         for the same orders and the same faults again (default: of the clock)
  --json             only the result, for machines

Ends with 0 when every order is here as it is at the venue, none was placed twice, none was stuck after a minute, no event
loop lagged, and the doctor found nothing; with 1 otherwise. Needs \`npm run build\`.
`;

await runCampaign(USAGE, process.argv.slice(2), (args) => run(readOptions(args)));

type Options = ReturnType<typeof readOptions>;

function readOptions(args: string[]) {
  const { values } = parseArgs({
    args,
    options: {
      orders: { type: 'string', default: '1000' },
      kills: { type: 'string', default: '2' },
      processes: { type: 'string', default: '1' },
      failures: { type: 'string', default: '10' },
      lost: { type: 'string', default: '10' },
      latency: { type: 'string', default: '3000' },
      lag: { type: 'string', default: '50' },
      seed: { type: 'string', default: anySeed() },
      json: { type: 'boolean', default: false },
    },
  });
  return {
    orders: whole('orders', values.orders, 1, 100_000),
    kills: whole('kills', values.kills, 0, 100),
    processes: whole('processes', values.processes, 1, 16),
    failurePercent: whole('failures', values.failures, 0, 100),
    lostAnswerPercent: whole('lost', values.lost, 0, 100),
    latencyMaxMs: whole('latency', values.latency, 0, 60_000),
    lagLimitMs: whole('lag', values.lag, 0, 100_000),
    seed: whole('seed', values.seed, 0, LARGEST_SEED),
    isForMachines: values.json,
  };
}

async function run(options: Options): Promise<number> {
  const { orders, kills, processes, seed, failurePercent, lostAnswerPercent, latencyMaxMs } = options;
  const interruption = nextInterruption();
  if (!options.isForMachines)
    say(`${orders} orders, ${processes} processes killed ${kills} times; repeat with --seed ${seed}\n`);
  const venue = await startVenue({ seed, behaviour: { failurePercent, lostAnswerPercent, latencyMaxMs } });
  const site = await Site.open({
    processes,
    environment: { EXCHANGE_URL: venue.url, DAYBOOK_ROLES: 'api,scheduler,receiver,consumer' },
  });
  try {
    const campaign = new ExchangeCampaign(site, venue, { seed, orders, kills, connections: 48 * processes });
    const stopShowing = options.isForMachines ? () => undefined : showProgress(() => campaign.progress);
    const report = await unlessInterrupted(
      campaign
        .run()
        .finally(stopShowing)
        .then((result) => conclude(result, options)),
      interruption,
    );
    return report;
  } finally {
    await site.close();
    await venue.stop();
  }
}

function conclude(report: ExchangeReport, options: Options): number {
  const { lagLimitMs, isForMachines, seed } = options;
  const isLagging = lagLimitMs > 0 && report.lagP99Ms > lagLimitMs;
  const problems = [
    ...report.problems,
    ...(isLagging ? [`an event loop lagged ${report.lagP99Ms.toFixed(1)} ms (p99 of five seconds)`] : []),
  ];
  if (isForMachines) {
    const verdict = problems.length === 0 ? 'passed' : 'failed';
    say(`${JSON.stringify({ verdict, seed, ...report, problems }, undefined, 2)}\n`);
  } else {
    say(table(report));
    say(
      problems.length === 0
        ? '\nEvery order is here as it is at the venue, and none was placed twice.\n'
        : `\nThe orders were NOT placed as promised:\n${listProblems(problems)}`,
    );
  }
  return problems.length === 0 ? 0 : 1;
}

function table(report: ExchangeReport): string {
  const counts = (record: Readonly<Record<string, number>>) =>
    Object.entries(record)
      .map(([name, count]) => `${count} ${name}`)
      .join(', ');
  const rows = [
    ['answers', counts(report.answers)],
    ['orders', counts(report.statuses)],
    ['asked to be cancelled', String(report.cancelled)],
    ['requests sent again', String(report.retried)],
    [
      'the venue',
      `${report.failedAtVenue} answered 503, ${report.unansweredByVenue} not answered, ${report.repeatedAtVenue} placements repeated`,
    ],
    ['all fates known after', `${report.settledAfterSeconds.toFixed(1)} s`],
    ['all books agree after', `${report.agreedAfterSeconds.toFixed(1)} s`],
    [
      'event loop lag, p99 of 5 s',
      `${report.lagP99Ms.toFixed(1)} ms at worst, ${report.lagMedianMs.toFixed(1)} ms mostly`,
    ],
    ['took', `${report.seconds.toFixed(1)} s`],
  ];
  return rows.map(([name = '', value]) => `${name.padEnd(28)}${value}\n`).join('');
}
