import { parseArgs } from 'node:util';

import { Campaign, type RoundReport, type Victim, VICTIMS } from './campaign.js';
import { Site, STRATEGIES, type Strategy } from './site.js';

const USAGE = `Kills Daybook and its database under load, again and again, and looks whether a single order was lost.

  npm run chaos:crash -- [options]

  --rounds <n>          how often (default 10)
  --connections <n>     clients, each with one request under way (default 256)
  --seed <n>            for the same load and the same moments again (default: of the clock)
  --kill <victim>       node, postgres, or both: each round one of them, or both at once (default both)
  --strategy <name>     sequence or gapless: how orders are numbered (default sequence)
  --database-url <url>  a PostgreSQL to use instead of one's own; only node can be killed then

Ends with 0 when every order that was answered is there as it was answered, every other one at most once, every
retry got the original order, and the doctor found nothing; with 1 otherwise.
`;

// Above what runs first: a class does not exist before its line.
class BadOption extends Error {}

try {
  const options = readOptions(process.argv.slice(2));
  process.exitCode = options === undefined ? 0 : await run(options);
} catch (error) {
  process.exitCode = 1;
  const isUsage =
    error instanceof BadOption || (error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS');
  say(
    isUsage
      ? `${(error as Error).message}\n\n${USAGE}`
      : `\nThe campaign broke off: ${(error as Error).stack}\n`,
  );
}

interface Options {
  readonly rounds: number;
  readonly connections: number;
  readonly seed: number;
  readonly kill: Victim;
  readonly strategy: Strategy;
  readonly databaseUrl: string | undefined;
}

function readOptions(args: string[]): Options | undefined {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: 'string', default: '10' },
      connections: { type: 'string', default: '256' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      kill: { type: 'string', default: 'both' },
      strategy: { type: 'string', default: 'sequence' },
      'database-url': { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return undefined;
  }
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
    seed: whole('seed', values.seed, 0, 2 ** 31 - 1),
    kill,
    strategy,
    databaseUrl,
  };
}

function whole(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new BadOption(`--${name} must be a whole number from ${least} to ${most}`);
}

async function run({ rounds, connections, seed, kill, strategy, databaseUrl }: Options): Promise<number> {
  const interruption = nextInterruption();
  say(`${rounds} rounds with ${connections} connections; repeat with --seed ${seed} --kill ${kill}\n`);
  const site = await Site.open({ databaseUrl, strategy });
  try {
    const victims = kill === 'both' ? VICTIMS : [kill];
    const fought = fight(site, rounds, { seed, connections, victims });
    // What is cut off by Ctrl-C fails somewhere; nobody needs to hear about it.
    fought.catch(() => undefined);
    return await Promise.race([fought, interruption]);
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
  const { round, victim, placed, unanswered, retried, hadBeenPlaced, replayed, downMs, seconds, problems } =
    report;
  const words = [
    `round ${String(round).padStart(String(rounds).length)}/${rounds}`,
    `killed ${victim.padEnd(8)}`,
    `${placed} placed`,
    `${unanswered} unanswered (${retried} retried: ${hadBeenPlaced} had been placed, ${retried - hadBeenPlaced} not)`,
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
      `answered, ${sum(({ unanswered }) => unanswered)} cut off, ${sum(({ retried }) => retried)} of them retried, ` +
      `${sum(({ replayed }) => replayed)} answers replayed.\n`,
  );
  return 0;
}

function defeat({ problems }: RoundReport, site: Site): number {
  const shown = problems.slice(0, 20).map((problem) => `  ${problem.slice(0, 500)}`);
  const left = problems.length - shown.length;
  say(`\nThe books are NOT what the clients were told:\n${shown.join('\n')}\n`);
  if (left > 0) say(`  … and ${left} more\n`);
  if (site.output !== '') say(`The server's last words:\n${site.output.slice(-4_000)}\n`);
  return 1;
}

/** Resolves with the exit code of an interrupted campaign; a second Ctrl-C ends it where it stands. */
function nextInterruption(): Promise<number> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        process.on(signal, () => process.exit(130));
        say('\nInterrupted: cleaning up.\n');
        resolve(130);
      });
    }
  });
}

/** On a terminal a line that changes while the round is fought; the function returned clears it. */
function showProgress(words: () => string): () => void {
  if (!process.stdout.isTTY) return () => undefined;
  const timer = setInterval(() => say(`\r\u001B[2K${words()}`), 200);
  return () => {
    clearInterval(timer);
    say('\r\u001B[2K');
  };
}

function say(words: string): void {
  process.stdout.write(words);
}
