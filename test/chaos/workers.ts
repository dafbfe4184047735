import { parseArgs } from 'node:util';

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
import { Site } from './site.js';
import { type Progress, WorkersCampaign, type WorkReport } from './workers-campaign.js';

const USAGE = `Kills worker processes while they work orders off, again and again, and looks whether each order was done once.

  npm run chaos:workers -- [options]

  --rounds <n>      how often (default 20)
  --orders <n>      placed in each round (default 500)
  --processes <n>   worker processes; one that is killed is replaced (default 3)
  --lease <s>       seconds after which a worker that is not heard of is taken for dead (default 3)
  --seed <n>        for the same orders and the same moments again (default: of the clock)
  --json            only the result, for machines

Ends with 0 when every order that was answered is confirmed or failed, with one outcome, attempts that count from 1, a
job only if it has failed, and a whole journal; when no worker reported an error, no transaction met another in a
deadlock, and the doctor found nothing; with 1 otherwise. Needs \`npm run build\`.
`;

await runCampaign(USAGE, process.argv.slice(2), (args) => run(readOptions(args)));

interface Options {
  readonly rounds: number;
  readonly orders: number;
  readonly processes: number;
  readonly leaseSeconds: number;
  readonly seed: number;
  readonly isForMachines: boolean;
}

function readOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: 'string', default: '20' },
      orders: { type: 'string', default: '500' },
      processes: { type: 'string', default: '3' },
      lease: { type: 'string', default: '3' },
      seed: { type: 'string', default: anySeed() },
      json: { type: 'boolean', default: false },
    },
  });
  return {
    rounds: whole('rounds', values.rounds, 1, 10_000),
    orders: whole('orders', values.orders, 10, 100_000),
    processes: whole('processes', values.processes, 1, 16),
    leaseSeconds: whole('lease', values.lease, 3, 300),
    seed: whole('seed', values.seed, 0, LARGEST_SEED),
    isForMachines: values.json,
  };
}

async function run(options: Options): Promise<number> {
  const { rounds, orders, processes, seed } = options;
  const interruption = nextInterruption();
  tell(
    options,
    `${rounds} rounds of ${orders} orders, ${processes} worker processes; repeat with --seed ${seed}\n`,
  );
  const site = await Site.open();
  try {
    return await unlessInterrupted(work(site, options), interruption);
  } finally {
    await site.close();
  }
}

async function work(site: Site, options: Options): Promise<number> {
  const { origin, databaseUrl: url } = site;
  const query = site.query.bind(site);
  const campaign = await WorkersCampaign.begin({ origin, url, query }, options);
  const reports: WorkReport[] = [];
  try {
    for (let round = 1; round <= options.rounds && reports.every(isGood); round += 1) {
      const stopShowing = options.isForMachines ? () => undefined : watch(campaign, round, options);
      const report = await campaign.runRound(round).finally(stopShowing);
      reports.push(report);
      tell(options, line(report, options));
    }
    conclude(reports, options, `${site.output}${campaign.output}`);
    return reports.every(isGood) ? 0 : 1;
  } finally {
    await campaign.end();
  }
}

function isGood({ problems }: WorkReport): boolean {
  return problems.length === 0;
}

/** Asks the database as long as there is somebody who looks. */
function watch(campaign: WorkersCampaign, round: number, { rounds, orders }: Options): () => void {
  let progress: Progress = {};
  const timer = setInterval(() => {
    campaign.progress().then(
      (latest) => (progress = latest),
      // The round itself will tell what is wrong with the database.
      () => undefined,
    );
  }, 500);
  const stopShowing = showProgress(() => {
    const { pending = 0, processing = 0, confirmed = 0, failed = 0 } = progress;
    const placed = pending + processing + confirmed + failed;
    return (
      `round ${round}/${rounds}: ${placed}/${orders} placed, ${pending} wait, ${processing} in processing, ` +
      `${confirmed} confirmed, ${failed} failed, ${campaign.killsOfRound} workers killed`
    );
  });
  return () => {
    clearInterval(timer);
    stopShowing();
  };
}

function line(report: WorkReport, { rounds }: Options): string {
  const { round, confirmed, failed, kills, abandoned, failedAttempts, longestPickUpMs, seconds } = report;
  const words = [
    `round ${String(round).padStart(String(rounds).length)}/${rounds}`,
    `${confirmed} confirmed`,
    `${failed} failed`,
    `${kills} workers killed`,
    `${abandoned} attempts cut off`,
    `${failedAttempts} attempts failed`,
    `taken up within ${(longestPickUpMs / 1000).toFixed(1)} s`,
    `${seconds.toFixed(1)} s`,
    isGood(report) ? 'OK' : `${report.problems.length} PROBLEMS`,
  ];
  return `${words.join('  ')}\n`;
}

function conclude(reports: readonly WorkReport[], options: Options, output: string): void {
  const { seed, leaseSeconds, orders, processes, isForMachines } = options;
  const problems = reports.flatMap((report) => report.problems);
  const sum = (count: (report: WorkReport) => number) =>
    reports.reduce((total, report) => total + count(report), 0);
  const totals = {
    rounds: reports.length,
    confirmed: sum(({ confirmed }) => confirmed),
    failed: sum(({ failed }) => failed),
    kills: sum(({ kills }) => kills),
    abandoned: sum(({ abandoned }) => abandoned),
    longestPickUpMs: Math.max(0, ...reports.map(({ longestPickUpMs }) => longestPickUpMs)),
    seconds: sum(({ seconds }) => seconds),
  };
  if (isForMachines) {
    const verdict = problems.length === 0 ? 'passed' : 'failed';
    const given = { orders, processes, leaseSeconds, seed };
    say(`${JSON.stringify({ verdict, ...given, ...totals, problems }, undefined, 2)}\n`);
  } else if (problems.length > 0) {
    say(`\nThe orders were NOT worked off as promised in round ${totals.rounds}:\n${listProblems(problems)}`);
    if (output !== '') say(`The last words:\n${output.slice(-4_000)}\n`);
  } else {
    const words = (count: number) => count.toLocaleString('en');
    say(
      `\nEvery order was done, and none twice: ${words(totals.confirmed + totals.failed)} orders, ` +
        `${words(totals.confirmed)} confirmed and ${words(totals.failed)} failed; ${words(totals.kills)} worker ` +
        `processes killed, ${words(totals.abandoned)} attempts cut off, their orders taken up within ` +
        `${(totals.longestPickUpMs / 1000).toFixed(1)} s (lease: ${leaseSeconds} s).\n`,
    );
  }
}

function tell({ isForMachines }: Options, words: string): void {
  if (!isForMachines) say(words);
}
