// What a page of the list of orders takes, whatever is asked for and however many orders there are.
import { once } from 'node:events';
import { COMBINATIONS } from './list/combinations.ts';
import { openFilled, type FillWishes } from './list/databases.ts';
import { measureDepth, type DepthFigures } from './list/depth.ts';
import { measureExport } from './list/exporting.ts';
import { measureCombinations, type CellFigures, type Subject } from './list/measure.ts';
import { measurePlacing, type PlacingFigures } from './list/placing.ts';
import { Reader } from './list/reader.ts';
import { drawLists, findGoals, tellLists, type ListFigures } from './list/report.ts';
import { chooseValues } from './list/values.ts';
import { isDaybookBuilt, prepareDaybook, type HttpContender } from './placement/http-contenders.ts';
import type { ChildServer } from './support/child-server.ts';
import { runBenchmark } from './support/lifetime.ts';
import { describeMachine, machineLine } from './support/machine.ts';
import { readOptions, type Options } from './support/options.ts';
import { openPostgres, type PostgresServer } from './support/postgres-server.ts';
import { keepResults } from './support/results.ts';
import { say, showProgress } from './support/terminal.ts';

const SECTIONS = ['fill', 'lists', 'depth', 'placing', 'export'] as const;
type Section = (typeof SECTIONS)[number];

await runBenchmark(async () => {
  const options = readOptions({
    orders: { default: '10000000', help: 'in the largest database' },
    beside: { default: '10000,1000000', help: 'orders in the databases to compare it with' },
    rounds: { default: '3', help: 'rounds, of which the median is quoted' },
    requests: { default: '100', help: 'for each combination and page in a round' },
    windows: { default: '3', help: 'of placing orders' },
    seconds: { default: '10', help: 'a window' },
    only: { default: SECTIONS.slice(1).join(), help: 'what to measure; fill: fills, and lets you look' },
    match: { help: 'measures only combinations with this in their name, and keeps no results' },
    'first-pages': { help: 'leaves the 1,000th pages out, which take most of the time', isFlag: true },
    keep: { help: 'leaves the databases to --reuse', isFlag: true },
    reuse: { help: 'takes the databases that were kept', isFlag: true },
    history: { help: 'gives the journal every step of every order, not only the first', isFlag: true },
  });
  if (options !== undefined) await measureLists(options);
});

async function measureLists(options: Options): Promise<void> {
  if (!isDaybookBuilt()) throw new Error('Daybook is not built: npm run build');
  const sections = options.list('only').map(section);
  const wishes: FillWishes = {
    keep: options.isGiven('keep'),
    reuse: options.isGiven('reuse'),
    isHistoryFull: options.isGiven('history'),
  };
  const machine = describeMachine();
  const { url, ...postgres } = await openPostgres(options.databaseUrl);
  say(machineLine(machine, postgres));
  const server = { url, ...postgres };
  if (sections.includes('fill')) return fillAndWait(server, options.wholeNumber('orders'), wishes);

  const sizes = sizesOf(options, sections);
  const filled = new Map<number, HttpContender>();
  for (const size of sizes) filled.set(size, await openFilled(server, size, wishes));
  const measured = await measure(server, filled, sections, options);
  const figures = {
    benchmark: 'list',
    date: new Date().toISOString(),
    machine,
    postgres,
    options: {
      rounds: options.wholeNumber('rounds'),
      requests: options.wholeNumber('requests'),
      windows: options.wholeNumber('windows'),
      seconds: options.wholeNumber('seconds'),
    },
    sizes,
    goals: [],
    ...measured,
  } satisfies ListFigures;
  const judged: ListFigures = { ...figures, goals: findGoals(figures) };
  tellLists(judged);
  if (!options.isGiven('match')) await keepResults('list', judged, drawLists(judged));
}

/** The smallest first. Only lists are compared between sizes. */
function sizesOf(options: Options, sections: readonly Section[]): number[] {
  const largest = options.wholeNumber('orders');
  const smaller = options.wholeNumbers('beside').filter((size) => size < largest);
  return [...(sections.includes('lists') ? smaller : []), largest].sort((a, b) => a - b);
}

async function fillAndWait(postgres: PostgresServer, orders: number, wishes: FillWishes): Promise<void> {
  const { database } = await openFilled(postgres, orders, wishes);
  say(`psql '${database.url}'`);
  say('The server runs until Ctrl-C.');
  await once(process, 'SIGINT');
}

type Measured = Pick<ListFigures, 'combinations' | 'depth' | 'placing' | 'exporting'>;

async function measure(
  postgres: PostgresServer,
  filled: ReadonlyMap<number, HttpContender>,
  sections: readonly Section[],
  options: Options,
): Promise<Measured> {
  const [orders, largest] = [...filled].at(-1) as [number, HttpContender];
  const combinations = sections.includes('lists') ? await measureReading(filled, options) : [];
  const depth = sections.includes('depth') ? await readDeep(largest, orders) : [];
  let exporting: ListFigures['exporting'];
  if (sections.includes('export')) exporting = (await measureExport(exported(filled))) ?? 'not there';
  let placing: PlacingFigures | undefined;
  // The last, because it adds to the orders.
  if (sections.includes('placing')) {
    placing = await measurePlacing(largest, await prepareDaybook(postgres), {
      windows: options.wholeNumber('windows'),
      seconds: options.wholeNumber('seconds'),
    });
  }
  return { combinations, depth, placing, exporting };
}

/** A million orders, or as many as there are. */
function exported(filled: ReadonlyMap<number, HttpContender>): HttpContender {
  return filled.get(1_000_000) ?? ([...filled.values()].at(-1) as HttpContender);
}

/** Reads the same list of all databases by turns, each through a server of its own. */
async function measureReading(
  filled: ReadonlyMap<number, HttpContender>,
  options: Options,
): Promise<CellFigures[]> {
  const servers: ChildServer[] = [];
  const subjects: Subject[] = [];
  for (const [orders, daybook] of filled) {
    const server = await daybook.start();
    servers.push(server);
    showProgress(`looking at ${orders.toLocaleString('en-US')} orders …`);
    const values = await chooseValues(daybook.database);
    subjects.push({ orders, values, reader: await Reader.on(server.url) });
  }
  const figures = await measureCombinations(subjects, {
    combinations: COMBINATIONS.filter(({ name }) => name.includes(options.text('match'))),
    rounds: options.wholeNumber('rounds'),
    requests: options.wholeNumber('requests'),
    firstPagesOnly: options.isGiven('first-pages'),
  });
  for (const { reader } of subjects) reader.close();
  for (const server of servers) await server.stop();
  return figures;
}

async function readDeep({ database, start }: HttpContender, orders: number): Promise<DepthFigures[]> {
  const server = await start();
  const reader = await Reader.on(server.url);
  const figures = await measureDepth(database, reader, orders);
  reader.close();
  await server.stop();
  return figures;
}

function section(text: string): Section {
  const known = SECTIONS.find((name) => name === text);
  if (known === undefined) throw new Error(`--only takes some of ${SECTIONS.join(', ')}, not "${text}"`);
  return known;
}
