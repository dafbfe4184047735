import { dots } from '../support/charts/dots.ts';
import { logLines } from '../support/charts/log-lines.ts';
import type { Machine } from '../support/machine.ts';
import { machineLine } from '../support/machine.ts';
import type { PostgresServer } from '../support/postgres-server.ts';
import { figure, say, table } from '../support/terminal.ts';
import type { DepthFigures } from './depth.ts';
import type { ExportFigures } from './exporting.ts';
import type { CellFigures } from './measure.ts';
import type { PlacingFigures } from './placing.ts';

export interface ListFigures {
  readonly benchmark: 'list';
  readonly date: string;
  readonly machine: Machine;
  readonly postgres: Omit<PostgresServer, 'url'>;
  readonly options: object;
  readonly sizes: readonly number[];
  readonly goals: readonly Goal[];
  readonly combinations: readonly CellFigures[];
  readonly depth: readonly DepthFigures[];
  readonly placing: PlacingFigures | undefined;
  readonly exporting: ExportFigures | 'not there' | undefined;
}

export interface Goal {
  readonly name: string;
  readonly isReached: boolean;
  readonly found: string;
  /** What fell short, worst first. */
  readonly missedBy: readonly string[];
}

const GROWTH_AT_MOST = 1.5;
const ANSWERED_WITHIN_MS = 50;
// What the server says it allows for a statement, and as much again for everything around it.
const GIVEN_UP_WITHIN_MS = 1_200;
const PLACING_AT_LEAST = 0.85;

/** One combination at one depth, in every database. */
interface Line {
  readonly name: string;
  readonly combination: string;
  readonly page: CellFigures['page'];
  readonly isSelective: boolean;
  readonly cells: readonly (CellFigures | undefined)[];
  /** p99 in the largest to p99 in the smallest. */
  readonly growth: number;
}

function toLines({ combinations, sizes }: ListFigures): Line[] {
  const groups = Map.groupBy(combinations, ({ combination, page }) => `${combination}/${page}`);
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const { combination, page, isSelective } = first;
    const cells = sizes.map((size) => group.find(({ orders }) => orders === size));
    return {
      name: page === 'first' ? combination : `${combination}, deep page`,
      combination,
      page,
      isSelective,
      cells,
      growth: (cells.at(-1)?.p99 ?? NaN) / (cells.at(0)?.p99 ?? NaN),
    };
  });
}

export function findGoals(figures: ListFigures): Goal[] {
  const lines = toLines(figures);
  const goals: Goal[] = [];
  const check = (
    name: string,
    checked: readonly Line[],
    figureOf: (line: Line) => number,
    atMost: number,
    told: (line: Line) => string,
  ): void => {
    if (checked.length === 0) return;
    const missed = checked
      .filter((each) => figureOf(each) > atMost)
      .sort((one, other) => figureOf(other) - figureOf(one));
    goals.push({
      name,
      isReached: missed.length === 0,
      found: `${checked.length - missed.length} of ${checked.length}`,
      missedBy: missed.map((each) => `${each.name}: ${told(each)}`),
    });
  };
  const p99Of = ({ cells }: Line): number => cells.at(-1)?.p99 ?? NaN;
  const inMs = (each: Line): string => `${figure(p99Of(each))} ms`;
  if (figures.sizes.length > 1) {
    // Where the small database has fewer rows to show, its page is cheaper for that reason alone.
    const compared = lines.filter(({ isSelective, growth }) => isSelective && Number.isFinite(growth));
    const [alike, fuller] = [compared.filter(isAsFull), compared.filter((each) => !isAsFull(each))];
    for (const [where, some] of [
      ['', alike],
      [', though the page has more rows', fuller],
    ] as const) {
      check(
        `p99 of selective lists grows at most ${GROWTH_AT_MOST} x from the smallest to the largest${where}`,
        some,
        ({ growth }) => growth,
        GROWTH_AT_MOST,
        ({ growth, cells }) =>
          `${growth.toFixed(2)} x, ${rowsOf(cells.at(0))} and ${rowsOf(cells.at(-1))} rows`,
      );
    }
  }
  const answered = lines.filter(({ cells }) => cells.at(-1)?.tooBroad === 0);
  check(`p99 of answered lists at most ${ANSWERED_WITHIN_MS} ms`, answered, p99Of, ANSWERED_WITHIN_MS, inMs);
  const givenUp = lines.filter(({ cells }) => (cells.at(-1)?.tooBroad ?? 0) > 0);
  check(
    `what is too broad is given up within ${GIVEN_UP_WITHIN_MS} ms`,
    givenUp,
    p99Of,
    GIVEN_UP_WITHIN_MS,
    inMs,
  );
  if (figures.placing !== undefined) {
    const { ratio } = figures.placing;
    const name = `orders a second into the full database to the empty one, at least ${PLACING_AT_LEAST} x`;
    goals.push({ name, isReached: ratio >= PLACING_AT_LEAST, found: `${ratio.toFixed(2)} x`, missedBy: [] });
  }
  return goals;
}

function isAsFull({ cells }: Line): boolean {
  return (cells.at(0)?.rows ?? 0) >= 0.8 * (cells.at(-1)?.rows ?? 0);
}

function rowsOf(cell: CellFigures | undefined): string {
  return figure(cell?.rows ?? NaN).replace(/[.]0+$/, '');
}

export function tellLists(figures: ListFigures): void {
  tellCombinations(figures);
  tellDepth(figures.depth);
  tellPlacing(figures.placing);
  tellExport(figures.exporting);
  if (figures.goals.length === 0) return;
  say('');
  for (const { name, isReached, found, missedBy } of figures.goals) {
    say(`${name}: ${isReached ? 'reached' : 'missed'} (${found})`);
    for (const each of missedBy) say(`  ${each}`);
  }
}

function tellCombinations(figures: ListFigures): void {
  const lines = toLines(figures);
  if (lines.length === 0) return;
  const sizes = figures.sizes.map((size) => size.toLocaleString('en-US'));
  say('\nA page of 50, p50 / p99 in ms by the number of orders; * is selective\n');
  say(
    table(
      ['', 'row', 'rows', ...sizes, 'p99 grows'],
      lines.map(({ name, isSelective, cells, growth }) => [
        `${name}${isSelective ? ' *' : ''}`,
        (cells.at(-1)?.depth ?? 0).toLocaleString('en-US'),
        cells.map(rowsOf).join(' / '),
        ...cells.map(toCell),
        Number.isFinite(growth) ? `${growth.toFixed(2)} x` : '–',
      ]),
    ),
  );
}

function toCell(cell: CellFigures | undefined): string {
  if (cell === undefined) return '–';
  const { p50, p99, tooBroad, requests } = cell;
  const times = `${figure(p50)} / ${figure(p99)}`;
  if (tooBroad === 0) return times;
  return `${times}, ${tooBroad === requests ? 'too broad' : `${tooBroad} of ${requests} too broad`}`;
}

function tellDepth(depth: readonly DepthFigures[]): void {
  if (depth.length === 0) return;
  say('\nA page of the newest orders behind so many rows, median in ms\n');
  say(
    table(
      ['row', 'cursor, over HTTP', 'OFFSET, SQL alone'],
      depth.map((each) => [each.depth.toLocaleString('en-US'), figure(each.cursorMs), figure(each.offsetMs)]),
    ),
  );
}

function tellPlacing(placing: PlacingFigures | undefined): void {
  if (placing === undefined) return;
  say('\nPlacing orders, medians of the windows\n');
  say(
    table(
      ['', 'orders/s', 'p50 ms', 'p99 ms'],
      (['full', 'empty'] as const).map((which) => {
        const { perSecond, p50, p99 } = placing[which];
        return [`into the ${which} database`, figure(perSecond), figure(p50), figure(p99)];
      }),
    ),
  );
}

function tellExport(exporting: ListFigures['exporting']): void {
  if (exporting === undefined) return;
  if (exporting === 'not there') return say('\nexport: not there');
  const { rows, seconds, rowsPerSecond, megabytes, memoryBefore, memoryAtMost } = exporting;
  say(
    `\nexport: ${rows.toLocaleString('en-US')} orders, ${figure(megabytes)} MB in ${figure(seconds)} s, ` +
      `${figure(rowsPerSecond)} a second; memory ${figure(memoryBefore)} MB before, ` +
      `${figure(memoryAtMost)} MB at most, ${figure(memoryAtMost - memoryBefore)} MB more`,
  );
}

export function drawLists(figures: ListFigures): Record<string, string> {
  const footnote = `${machineLine(figures.machine, figures.postgres)}. ${figures.date.slice(0, 10)}.`;
  const most = Math.max(...figures.sizes).toLocaleString('en-US');
  const charts: Record<string, string> = {};
  if (figures.depth.length > 0) {
    charts['list-depth.svg'] = logLines({
      title: `A page of 50 among ${most} orders, by how far down the list it is`,
      subtitle: 'The cursor with everything over HTTP, OFFSET in the database alone; both axes logarithmic',
      footnote,
      xIs: 'rows before the page',
      yIs: 'ms, median',
      series: [
        { label: 'Daybook, cursor', points: figures.depth.map(({ depth, cursorMs }) => [depth, cursorMs]) },
        { label: 'OFFSET', points: figures.depth.map(({ depth, offsetMs }) => [depth, offsetMs]) },
      ],
    });
  }
  for (const [file, page, title] of [
    ['list.svg', 'first', 'The first page of the list of orders: 99 of 100 are there within'],
    ['list-deep.svg', 'deep', 'The 1,000th page, or the last there is: 99 of 100 are there within'],
  ] as const) {
    const lines = toLines(figures).filter((each) => each.page === page);
    // The largest is drawn strongest.
    const sizes = figures.sizes.toReversed();
    if (lines.length === 0) continue;
    charts[file] = dots({
      title,
      subtitle:
        'One reader over HTTP, 50 orders a page; other customers, products and days of the kind each time',
      footnote,
      xIs: 'ms, logarithmic',
      series: sizes.map((size) => `${size.toLocaleString('en-US')} orders`),
      rows: lines.map(({ combination, cells }) => ({
        label: combination,
        values: cells.map((cell) => cell?.p99).reverse(),
      })),
      limit: { label: `goal: ${ANSWERED_WITHIN_MS} ms`, value: ANSWERED_WITHIN_MS },
    });
  }
  return charts;
}
