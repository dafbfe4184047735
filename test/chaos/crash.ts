import { parseArgs } from 'node:util';

import { Campaign, type RoundReport, type Victim, VICTIMS } from './campaign.js';
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
import { Site, STRATEGIES, type Strategy } from './site.js';

const USAGE = `Kills Daybook and its database under load, again and again, and looks whether a single order or reservation was lost.

  npm run chaos:crash -- [options]

  --rounds <n>          how often (default 10)
  --connections <n>     clients, each with one request under way (default 256)
  --seed <n>            for the same load and the same moments again (default: of the clock)
  --kill <victim>       node, postgres, or both: each round one of them, or both at once (default both)
  --strategy <name>     sequence or gapless: how orders are numbered (default sequence)
  --database-url <url>  a PostgreSQL to use instead of one's own; only node can be killed then

Ends with 0 when every order and every reservation that was answered is there as it was answered, every other one at
most once, every retry got the original, what is reserved is exactly what open reservations hold, those that are
overdue expired, and the doctor found nothing; with 1 otherwise.
`;

await runCampaign(USAGE, process.argv.slice(2), (args) => run(readOptions(args)));

interface Options {
  readonly rounds: number;
  readonly connections: number;
  readonly seed: number;
  readonly kill: Victim;
  readonly strategy: Strategy;
  readonly databaseUrl: string | undefined;
}

function readOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: 'string', default: '10' },
      connections: { type: 'string', default: '256' },
      seed: { type: 'string', default: anySeed() },
      kill: { type: 'string', default: 'both' },
      strategy: { type: 'string', default: 'sequence' },
      'database-url': { type: 'string' },
    },
  });
  const kill = VICTIMS.find((victim) => victim === values.kill);
  const strategy = STRATEGIES.find((known) => known === values.strategy);
  const databaseUrl = values['database-url'];
  if (strategy === undefined) throw new BadOption(`--strategy must be one of ${STRATEGIES.join(', ')}`);
  if (kill === undefined) throw new BadOption(`--kill must be one of ${VICTIMS.join(', ')}`);
  if (databaseUrl !== undefined && kill !== 'node')
    throw new BadOption('With --database-url say --kill node');
  return {
    rounds: whole('rounds', values.rounds, 1, 10_000),
    connections: whole('connections', values.connections, 1, 2_000),
    seed: whole('seed', values.seed, 0, LARGEST_SEED),
    kill,
    strategy,
    databaseUrl,
  };
}

async function run({ rounds, connections, seed, kill, strategy, databaseUrl }: Options): Promise<number> {
  const interruption = nextInterruption();
  say(`${rounds} rounds with ${connections} connections; repeat with --seed ${seed} --kill ${kill}\n`);
  const site = await Site.open({ databaseUrl, strategy });
  try {
    const victims = kill === 'both' ? VICTIMS : [kill];
    return await unlessInterrupted(fight(site, rounds, { seed, connections, victims }), interruption);
  } finally {
    await site.close();
  }
}

async function fight(
  site: Site,
  rounds: number,
  options: Parameters<typeof Campaign.begin>[1],
): Promise<number> {
  const campaign = await Campaign.begin(site, options);
  const reports: RoundReport[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const stopShowing = showProgress(
      () => `round ${round}/${rounds}: ${campaign.succeeded} changes under load`,
    );
    try {
      reports.push(await campaign.runRound(round));
    } finally {
      stopShowing();
    }
    const report = reports.at(-1) as RoundReport;
    say(line(report, rounds));
    if (report.problems.length > 0) return defeat(report, site);
  }
  return victory(reports);
}

function line(report: RoundReport, rounds: number): string {
  const { round, victim, placed, reserved, consumed, unanswered, retried, hadBeenMade } = report;
  const { replayed, downMs, seconds, problems } = report;
  const words = [
    `round ${String(round).padStart(String(rounds).length)}/${rounds}`,
    `killed ${victim.padEnd(8)}`,
    `${placed} placed`,
    `${reserved} reserved (${consumed} ordered)`,
    `${unanswered} unanswered (${retried} retried: ${hadBeenMade} had been done, ${retried - hadBeenMade} not)`,
    `${replayed} replayed`,
    `down ${(downMs / 1000).toFixed(1)} s`,
    `${seconds.toFixed(1)} s`,
    problems.length === 0 ? 'OK' : `${problems.length} PROBLEMS`,
  ];
  return `${words.join('  ')}\n`;
}

function victory(reports: readonly RoundReport[]): number {
  const sum = (count: (report: RoundReport) => number) =>
    reports.reduce((total, report) => total + count(report), 0).toLocaleString('en');
  say(
    `\nNothing was lost, and nothing came twice: ${reports.length} crashes, ${sum(({ placed }) => placed)} orders ` +
      `and ${sum(({ reserved }) => reserved)} reservations answered, ${sum(({ consumed }) => consumed)} of the orders ` +
      `for a reservation; ${sum(({ unanswered }) => unanswered)} cut off, ${sum(({ retried }) => retried)} of them ` +
      `retried; ${sum(({ replayed }) => replayed)} answers replayed.\n`,
  );
  return 0;
}

function defeat({ problems }: RoundReport, site: Site): number {
  say(`\nThe books are NOT what the clients were told:\n${listProblems(problems)}`);
  if (site.output !== '') say(`The server's last words:\n${site.output.slice(-4_000)}\n`);
  return 1;
}
