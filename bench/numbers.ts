// Ways to number orders, measured directly against PostgreSQL: what they cost, and the gaps and duplicates
// they leave.
import { measureNumbering, type NumberingFigure } from './numbers/order-desk.ts';
import { STRATEGIES } from './numbers/strategies.ts';
import { rankedBars } from './support/charts/bars.ts';
import { createDatabase, settle } from './support/database.ts';
import { runBenchmark } from './support/lifetime.ts';
import { describeMachine, machineLine } from './support/machine.ts';
import { readOptions } from './support/options.ts';
import { openPostgres } from './support/postgres-server.ts';
import { keepResults } from './support/results.ts';
import { median } from './support/statistics.ts';
import { figure, say, showProgress, table } from './support/terminal.ts';

await runBenchmark(async () => {
  const options = readOptions({
    rounds: { default: '3', help: 'rounds, of which the median is quoted' },
    seconds: { default: '3', help: 'length of each measurement' },
  });
  if (options === undefined) return;
  await measureNumbers(options.wholeNumber('rounds'), options.wholeNumber('seconds'), options.databaseUrl);
});

async function measureNumbers(
  rounds: number,
  seconds: number,
  databaseUrl: string | undefined,
): Promise<void> {
  const machine = describeMachine();
  const { url, ...postgres } = await openPostgres(databaseUrl);
  say(machineLine(machine, postgres));
  const database = await createDatabase({ url, ...postgres }, 'numbers');

  const figures: (NumberingFigure & { round: number })[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (const strategy of STRATEGIES) {
      showProgress(`round ${round} of ${rounds}: ${strategy.label} …`);
      await settle(database);
      const result = await measureNumbering(strategy, database.url, seconds);
      say(`round ${round}  ${strategy.label}: ${figure(result.perSecond)} orders/s`);
      figures.push({ round, ...result });
    }
  }

  const medians = STRATEGIES.map(({ id, label }) => {
    const own = figures.filter(({ strategy }) => strategy === id);
    const middle = (read: (one: NumberingFigure) => number): number => median(own.map(read));
    return {
      strategy: id,
      label,
      perSecond: middle((one) => one.perSecond),
      p50Ms: middle((one) => one.p50Ms),
      p99Ms: middle((one) => one.p99Ms),
      gapsPerThousand: middle((one) => (one.gaps / one.orders) * 1_000),
      duplicatesPerThousand: middle((one) => (one.duplicates / one.orders) * 1_000),
    };
  });
  tell(medians, rounds);
  const date = new Date().toISOString();
  await keepResults(
    'numbers',
    { benchmark: 'numbers', date, machine, postgres, options: { rounds, seconds }, medians, rounds: figures },
    { 'numbers.svg': draw(medians, `${machineLine(machine, postgres)}. ${date.slice(0, 10)}.`) },
  );
}

interface Median {
  strategy: string;
  label: string;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  gapsPerThousand: number;
  duplicatesPerThousand: number;
}

function tell(medians: Median[], rounds: number): void {
  say(`\nMedian of ${rounds} rounds, 64 callers, one transaction in a hundred rolled back and tried again\n`);
  const head = ['strategy', 'orders/s', 'p50 ms', 'p99 ms', 'gaps ‰', 'duplicates ‰'];
  const rows = medians.map((one) => [
    one.label,
    ...[one.perSecond, one.p50Ms, one.p99Ms, one.gapsPerThousand, one.duplicatesPerThousand].map(figure),
  ]);
  say(table(head, rows));
}

function draw(medians: Median[], footnote: string): string {
  const wholeOr = (number: number): string => (number === 0 ? 'no' : `${figure(number)} ‰`);
  return rankedBars({
    title: 'Orders numbered and committed per second',
    subtitle:
      '64 callers directly on PostgreSQL; one transaction an order or a batch, one in a hundred rolled back',
    footnote,
    bars: medians.map(({ strategy, label, perSecond, p50Ms, gapsPerThousand, duplicatesPerThousand }) => ({
      label,
      value: perSecond,
      strong: strategy.startsWith('batched'),
      note:
        `p50 ${figure(p50Ms)} ms, ${wholeOr(gapsPerThousand)} gaps` +
        (duplicatesPerThousand > 0 ? `, ${figure(duplicatesPerThousand)} ‰ DUPLICATES` : ''),
    })),
  });
}
