// Orders a second and latency, side by side: Daybook over HTTP, an honest Nest + TypeORM service over HTTP,
// and the database alone under pgbench. What is measured and what to beware of: README.md.
import { measureHotProduct, type HotProductFigures } from './placement/hot-product.ts';
import {
  isDaybookBuilt,
  prepareDaybook,
  prepareNestTypeorm,
  type HttpContenderId,
} from './placement/http-contenders.ts';
import { readPlacementOptions, type PlacementOptions, type Section } from './placement/options.ts';
import { allGoods, findBestClients, preparePgbench } from './placement/pgbench-contender.ts';
import {
  drawPlacement,
  findRatios,
  httpMedians,
  pgbenchMedians,
  tellPlacement,
  type PlacementFigures,
} from './placement/report.ts';
import { runRounds, type Field, type Rounds } from './placement/rounds.ts';
import { checkBooks, type Books } from './support/books.ts';
import { runBenchmark } from './support/lifetime.ts';
import { describeMachine, machineLine } from './support/machine.ts';
import { openPostgres, type PostgresServer } from './support/postgres-server.ts';
import { keepResults } from './support/results.ts';
import { median } from './support/statistics.ts';
import { figure, say, showProgress } from './support/terminal.ts';

await runBenchmark(async () => {
  const options = readPlacementOptions();
  if (options !== undefined) await measurePlacement(options);
});

async function measurePlacement(asked: PlacementOptions): Promise<void> {
  const machine = describeMachine();
  const postgres = await openPostgres(asked.databaseUrl);
  say(machineLine(machine, postgres));
  const wanted = (section: Section): boolean => asked.only.includes(section);
  const poolSizes: Partial<Record<HttpContenderId, number>> = {};
  const field = await prepareField(postgres, wanted, poolSizes);

  const daybook = field.http.find(({ id }) => id === 'daybook');
  const compared = wanted('daybook') ? field.http : field.http.filter(({ id }) => id !== 'daybook');
  const rounds: Rounds = await runRounds(
    { http: compared, pgbench: wanted('pgbench') ? field.pgbench : undefined },
    asked,
  );
  const hotProduct = wanted('hot-product')
    ? await measureHotProduct(daybook, field.pgbench, asked)
    : undefined;

  const books: Record<string, Books> = {};
  for (const { id, label, database } of field.http) books[id] = await checkBooks(label, database);
  if (field.pgbench !== undefined) books['pgbench'] = await checkBooks('pgbench', field.pgbench.database);
  say('the books of every contender balance');

  const { databaseUrl: _, ...told } = asked;
  const { url: __, ...server } = postgres;
  const figures: PlacementFigures = {
    benchmark: 'placement',
    date: new Date().toISOString(),
    machine,
    postgres: server,
    options: told,
    labels: Object.fromEntries(compared.map(({ id, label }) => [id, label])),
    poolSizes,
    medians: httpMedians(rounds.http),
    pgbenchMedians: pgbenchMedians(rounds.pgbench),
    hotMedians: hotMedians(hotProduct),
    ratios: [],
    rounds,
    hotProduct,
    books,
  };
  figures.ratios = findRatios(figures);
  tellPlacement(figures);
  await keepResults('placement', figures, drawPlacement(figures));
}

/** Gives each contender its database and finds each baseline's best setting. */
async function prepareField(
  postgres: PostgresServer,
  wanted: (section: Section) => boolean,
  poolSizes: Partial<Record<HttpContenderId, number>>,
): Promise<Field> {
  const field: Field = { http: [], pgbench: undefined };
  if (wanted('daybook') || wanted('hot-product')) {
    if (isDaybookBuilt()) {
      showProgress('preparing Daybook …');
      field.http.push(await prepareDaybook(postgres));
    } else say('Daybook is not built (npm run build), so it is left out');
  }
  if (wanted('nest-typeorm')) {
    for (const numbers of ['counter-row', 'sequence'] as const) {
      const tried: string[] = [];
      const contender = await prepareNestTypeorm(postgres, numbers, (poolSize, perSecond) => {
        tried.push(`${poolSize}: ${figure(perSecond)}`);
        showProgress(`trying pool sizes: ${tried.join(', ')} …`);
      });
      say(`${contender.label} by pool size: ${tried.join(', ')}`);
      poolSizes[contender.id] = contender.poolSize;
      field.http.push(contender);
    }
  }
  if (wanted('pgbench') || wanted('hot-product')) {
    const pgbench = await preparePgbench(postgres);
    if (pgbench === undefined) return field;
    const tried: string[] = [];
    const clients = await findBestClients(pgbench, allGoods(), (result) => {
      tried.push(`${result.script} ${result.clients}: ${figure(result.perSecond)}`);
      showProgress(`trying pgbench: ${tried.slice(-4).join(', ')} …`);
    });
    say(`pgbench by clients: ${tried.join(', ')}`);
    field.pgbench = { ...pgbench, clients };
  }
  return field;
}

function hotMedians(hotProduct: HotProductFigures | undefined): PlacementFigures['hotMedians'] {
  const pgbench = pgbenchMedians(hotProduct?.pgbench ?? []).map(({ perSecond }) => perSecond);
  return {
    daybook: median((hotProduct?.http ?? []).map(({ load }) => load.perSecond)),
    pgbenchBest: pgbench.length > 0 ? Math.max(...pgbench) : NaN,
  };
}
