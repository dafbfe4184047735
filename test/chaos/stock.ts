import { parseArgs } from 'node:util';

import {
  anySeed,
  BadOption,
  LARGEST_SEED,
  listProblems,
  nextInterruption,
  runCampaign,
  say,
  showProgress,
  unlessInterrupted,
  whole,
} from './command-line.js';
import { DaybookShop } from './daybook-shop.js';
import { NaiveShop } from './naive-shop.js';
import { quantile, type SaleReport, StockCampaign } from './stock-campaign.js';
import type { Shop } from './shop.js';
import { Site } from './site.js';

const USAGE = `Sells a few pieces to many buyers at once, again and again, and looks whether one too many was sold.

  npm run chaos:stock -- [options]

  --buyers <n>      who all want one piece: they reserve, think, and order or give back (default 50)
  --stock <n>       pieces that there are of each round's product (default 10)
  --rounds <n>      how often (default 100)
  --processes <n>   servers on the one database (default 2)
  --seed <n>        for the same buyers again (default: of the clock)
  --naive           sell in a shop that reads, checks and writes without a lock: it must fail
  --json            only the result, for machines

A buyer who is refused tries again whenever somebody gave a piece back after it had asked, and goes away only when
nobody holds a piece any more. So exactly as many orders as pieces is the one right result, in every round.

Ends with 0 when it was, all stock added up after every round, no request failed, and the doctor found nothing; with
1 otherwise. Needs \`npm run build\`.
`;

await runCampaign(USAGE, process.argv.slice(2), (args) => run(readOptions(args)));

interface Options {
  readonly buyers: number;
  readonly pieces: number;
  readonly rounds: number;
  readonly processes: number;
  readonly seed: number;
  readonly isNaive: boolean;
  readonly isForMachines: boolean;
}

function readOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      buyers: { type: 'string', default: '50' },
      stock: { type: 'string', default: '10' },
      rounds: { type: 'string', default: '100' },
      processes: { type: 'string', default: '2' },
      seed: { type: 'string', default: anySeed() },
      naive: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const options = {
    buyers: whole('buyers', values.buyers, 1, 5_000),
    pieces: whole('stock', values.stock, 1, 5_000),
    rounds: whole('rounds', values.rounds, 1, 100_000),
    processes: whole('processes', values.processes, 1, 16),
    seed: whole('seed', values.seed, 0, LARGEST_SEED),
    isNaive: values.naive,
    isForMachines: values.json,
  };
  if (options.buyers < options.pieces) throw new BadOption('--buyers must be at least --stock');
  return options;
}

async function run(options: Options): Promise<number> {
  const { buyers, pieces, rounds, processes, seed, isNaive } = options;
  const interruption = nextInterruption();
  tell(
    options,
    `${rounds} rounds, ${buyers} buyers for ${pieces} pieces, ` +
      `${isNaive ? 'a shop without locks' : `${processes} processes`}; repeat with --seed ${seed}\n`,
  );
  const site = await Site.open({ processes: isNaive ? 0 : processes });
  try {
    return await unlessInterrupted(sell(site, options), interruption);
  } finally {
    await site.close();
  }
}

async function sell(site: Site, options: Options): Promise<number> {
  const { buyers, pieces, rounds, seed, isNaive } = options;
  const shop: Shop = isNaive
    ? await NaiveShop.open(site.databaseUrl, seed)
    : await DaybookShop.open(site, buyers);
  const campaign = new StockCampaign(shop, { buyers, pieces, seed });
  try {
    for (let round = 1; round <= rounds && campaign.problems.length === 0; round += 1) {
      const stopShowing = options.isForMachines
        ? () => undefined
        : showProgress(() => progress(campaign, rounds));
      const report = await campaign.runRound(round).finally(stopShowing);
      tell(options, line(report, rounds));
    }
    if (campaign.problems.length === 0) await campaign.audit();
    conclude(campaign, options, site.output);
    return campaign.problems.length === 0 ? 0 : 1;
  } finally {
    await shop.close();
  }
}

function progress({ sale, reports }: StockCampaign, rounds: number): string {
  if (sale === undefined) return '';
  const { orderIds, refused, released, latenciesMs } = sale;
  return (
    `round ${reports.length + 1}/${rounds}: ${orderIds.length} sold, ${refused} refused, ${released} given back, ` +
    `p50 ${ms(quantile(latenciesMs, 0.5))}, p99 ${ms(quantile(latenciesMs, 0.99))}`
  );
}

function line(report: SaleReport, rounds: number): string {
  const { round, sold, refused, released, repeated, p50Ms, p99Ms, seconds, problems } = report;
  const words = [
    `round ${String(round).padStart(String(rounds).length)}/${rounds}`,
    `${sold} sold`,
    `${refused} refused`,
    `${released} given back`,
    `${repeated} sent twice`,
    `p50 ${ms(p50Ms)}`,
    `p99 ${ms(p99Ms)}`,
    `${seconds.toFixed(1)} s`,
    problems.length === 0 ? 'OK' : `${problems.length} PROBLEMS`,
  ];
  return `${words.join('  ')}\n`;
}

function conclude(campaign: StockCampaign, options: Options, output: string): void {
  const { problems } = campaign;
  const { buyers, pieces, seed, isNaive, isForMachines } = options;
  const totals = campaign.totals();
  if (isForMachines) {
    const shop = isNaive ? 'naive' : 'daybook';
    const verdict = problems.length === 0 ? 'passed' : 'failed';
    const given = { shop, buyers, stock: pieces, seed };
    say(`${JSON.stringify({ verdict, ...given, ...totals, problems }, undefined, 2)}\n`);
  } else if (problems.length > 0) {
    say(`\nThe stock does NOT add up in round ${totals.rounds}:\n${listProblems(problems)}`);
    if (isNaive) say('This shop reads, checks and writes without a lock: it is here to fail.\n');
    if (output !== '') say(`The servers' last words:\n${output.slice(-4_000)}\n`);
  } else {
    say(
      `\nNot a piece too many, not one too few: ${totals.rounds} rounds, ${pieces} orders in each, ` +
        `${totals.requests.toLocaleString('en')} requests, ${totals.refused.toLocaleString('en')} refused, ` +
        `${totals.released.toLocaleString('en')} given back, ${totals.repeated.toLocaleString('en')} sent twice, ` +
        `p50 ${ms(totals.p50Ms)}, p99 ${ms(totals.p99Ms)}.\n`,
    );
  }
}

function tell({ isForMachines }: Options, words: string): void {
  if (!isForMachines) say(words);
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}
