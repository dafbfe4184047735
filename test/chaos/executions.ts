import { parseArgs } from 'node:util';

import { findNatsServer } from '../support/nats-server.js';
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
import {
  type BusName,
  BUSES,
  ExecutionsCampaign,
  type ExecutionsOptions,
  type ExecutionsReport,
} from './executions-campaign.js';
import { Site } from './site.js';

const USAGE = `Lets a simulated venue report trades, faultily, and kills whoever receives, carries and applies the reports; then looks
whether each of them was counted once.

  npm run chaos:executions -- [options]

  --bus <name>          postgres, nats or both, one after the other (default both; nats needs a nats-server on this machine)
  --reports <n>         reported in each campaign; what the faults add comes on top (default 1000000)
  --orders <n>          of so many orders (default 20000)
  --rate <n>            reports a second (default 20000)
  --kills <n>           how often a receiver or consumer is killed, or the connection to the venue cut (default 20)
  --broker-kills <n>    how often nats-server is killed and started again, the first time on a new disk; the second time all
                        its messages are removed instead (default 6)
  --processes <n>       receivers, and consumers; one that is killed is replaced (default 2)
  --seed <n>            for the same orders, trades and moments again (default: of the clock)
  --json                only the result, for machines

Some reports come twice, late, or not at all before they are asked for again; some trades are reported twice; some fill more
than was ordered; some are of orders that are placed later, or never. Ends with 0 when the filled quantity, the traded cents
and the status of every order are what a clerk makes of the venue's own log, one report after the other; when exactly the
same executions are recorded, quarantined and parked; when the journal tells each version and each trade once, all parts are
applied to the end, no transaction met another in a deadlock, and the doctor found nothing; with 1 otherwise. Needs
\`npm run build\`.
`;

await runCampaign(USAGE, process.argv.slice(2), (args) => run(readOptions(args)));

interface Options extends Omit<ExecutionsOptions, 'bus'> {
  readonly buses: readonly BusName[];
  readonly isForMachines: boolean;
}

function readOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      bus: { type: 'string', default: 'both' },
      reports: { type: 'string', default: '1000000' },
      orders: { type: 'string', default: '20000' },
      rate: { type: 'string', default: '20000' },
      kills: { type: 'string', default: '20' },
      'broker-kills': { type: 'string', default: '6' },
      processes: { type: 'string', default: '2' },
      seed: { type: 'string', default: anySeed() },
      json: { type: 'boolean', default: false },
    },
  });
  const buses = values.bus === 'both' ? BUSES : BUSES.filter((name) => name === values.bus);
  if (buses.length === 0) throw new BadOption('--bus must be postgres, nats or both');
  if (buses.includes('nats') && findNatsServer() === undefined)
    throw new BadOption('There is no nats-server on this machine; --bus postgres does without');
  const orders = whole('orders', values.orders, 10, 90_000);
  return {
    buses,
    orders,
    reports: whole('reports', values.reports, 3 * orders, 20_000_000),
    ratePerSecond: whole('rate', values.rate, 1, 1_000_000),
    kills: whole('kills', values.kills, 0, 1_000),
    brokerKills: whole('broker-kills', values['broker-kills'], 0, 1_000),
    processes: whole('processes', values.processes, 1, 8),
    seed: whole('seed', values.seed, 0, LARGEST_SEED),
    isForMachines: values.json,
  };
}

interface Outcome extends ExecutionsReport {
  readonly bus: BusName;
}

async function run(options: Options): Promise<number> {
  const { reports, orders, ratePerSecond, processes, seed } = options;
  const interruption = nextInterruption();
  tell(
    options,
    `${words(reports)} reports of ${words(orders)} orders at ${words(ratePerSecond)} a second, ${processes} receivers and ` +
      `${processes} consumers; repeat with --seed ${seed}\n`,
  );
  const outcomes: Outcome[] = [];
  for (const bus of options.buses) {
    // No other campaign is in the database of this one.
    const site = await Site.open({ environment: { DAYBOOK_ROLES: 'api,scheduler' } });
    try {
      const code = await unlessInterrupted(fight(site, { ...options, bus }, outcomes), interruption);
      if (code !== 0) return code;
    } finally {
      await site.close();
    }
  }
  return conclude(outcomes, options);
}

/** Adds what it has come to. @returns 0, whatever that is */
async function fight(site: Site, options: Options & ExecutionsOptions, outcomes: Outcome[]): Promise<number> {
  const database = { url: site.databaseUrl, query: site.query.bind(site) };
  const campaign = await ExecutionsCampaign.begin(database, options);
  const stopShowing = options.isForMachines ? () => undefined : watch(campaign, options);
  try {
    const outcome = { ...(await campaign.run().finally(stopShowing)), bus: options.bus };
    outcomes.push(outcome);
    tell(options, line(outcome));
    if (outcome.problems.length > 0) tell(options, `The last words:\n${campaign.output.slice(-4_000)}\n`);
    return 0;
  } finally {
    await campaign.end();
  }
}

function watch(campaign: ExecutionsCampaign, { bus, reports }: ExecutionsOptions): () => void {
  return showProgress(() => {
    const { reported, applied, blows } = campaign.progress;
    return `${bus}: ${words(reported)} of more than ${words(reports)} reported, ${words(applied)} applied, ${blows} blows`;
  });
}

function line(outcome: Outcome): string {
  const { bus, seconds, reports, recorded, repeated, quarantined, parked, blows, problems } = outcome;
  const columns = [
    bus.padEnd(8),
    `${words(reports)} reports`,
    `${words(recorded)} recorded`,
    `${words(repeated)} repeated`,
    `${words(quarantined)} quarantined`,
    `${words(parked)} parked`,
    `${blows.length} blows`,
    `got over within ${(outcome.longestRecoveryMs / 1_000).toFixed(1)} s`,
    `${outcome.connections} connections`,
    `${seconds.toFixed(1)} s`,
    problems.length === 0 ? 'OK' : `${problems.length} PROBLEMS`,
  ];
  return `${columns.join('  ')}\n`;
}

function conclude(outcomes: readonly Outcome[], options: Options): number {
  const problems = outcomes.flatMap(({ bus, problems: found }) => found.map((words) => `${bus}: ${words}`));
  if (options.isForMachines) {
    const verdict = problems.length === 0 ? 'passed' : 'failed';
    say(`${JSON.stringify({ verdict, ...options, outcomes }, undefined, 2)}\n`);
  } else if (problems.length > 0) {
    say(`\nThe reports were NOT applied as promised:\n${listProblems(problems)}`);
  } else {
    const recorded = outcomes.reduce((sum, outcome) => sum + outcome.recorded, 0);
    say(
      `\nEvery order is as the venue has it, and each of ${words(recorded)} executions was counted once.\n`,
    );
  }
  return problems.length === 0 ? 0 : 1;
}

function words(count: number): string {
  return count.toLocaleString('en');
}

function tell({ isForMachines }: Options, text: string): void {
  if (!isForMachines) say(text);
}
