import { median, quantile, sum } from '../support/statistics.ts';
import { say, showProgress } from '../support/terminal.ts';
import type { Combination } from './combinations.ts';
import { isTooBroad, pageOf, pathOf, type Reader } from './reader.ts';
import type { Values } from './values.ts';
import { PAGE, walkTo } from './walk.ts';

const DEEP_PAGE = 1_000;
const VARIETY = 50;
// A way to the thousandth page takes hundreds of requests.
const DEEP_VARIETY = 1;
const WARM_UP_REQUESTS = 3;
// What is slow is asked less often, and 50 times in all.
const FAST_SECONDS = 2;
const REQUESTS_AT_LEAST = 50;

/** A database of so many orders, and Daybook on it. */
export interface Subject {
  readonly orders: number;
  readonly reader: Reader;
  readonly values: Values;
}

/** One combination at one depth of one database. */
interface Cell {
  readonly combination: Combination;
  readonly page: 'first' | 'deep';
  readonly paths: readonly string[];
  /** Rows before the page, the mean of the lists that were walked. */
  readonly depth: number;
}

export interface CellFigures {
  readonly orders: number;
  readonly combination: string;
  readonly isSelective: boolean;
  readonly page: Cell['page'];
  readonly depth: number;
  /** On a page, the mean. */
  readonly rows: number;
  readonly requests: number;
  /** Answered `query_too_broad`. */
  readonly tooBroad: number;
  /** Medians over the rounds, of all answers. */
  readonly p50: number;
  readonly p99: number;
  readonly rounds: readonly RoundFigures[];
}

interface RoundFigures {
  readonly requests: number;
  readonly tooBroad: number;
  readonly rows: number;
  readonly p50: number;
  readonly p99: number;
}

export interface MeasuringOptions {
  readonly combinations: readonly Combination[];
  readonly rounds: number;
  readonly requests: number;
  /** The walk to the 1,000th pages takes most of the time. */
  readonly firstPagesOnly: boolean;
}

/** Every combination in every database, turn by turn, so that a slow minute of the machine is nobody's alone. */
export async function measureCombinations(
  subjects: readonly Subject[],
  { combinations, rounds, requests, firstPagesOnly }: MeasuringOptions,
): Promise<CellFigures[]> {
  const fields: { subject: Subject; cell: Cell; figures: RoundFigures[] }[] = [];
  for (const subject of subjects) {
    for (const [index, combination] of combinations.entries()) {
      showProgress(
        `${named(subject)}, preparing ${index + 1} of ${combinations.length}: ${combination.name} …`,
      );
      for (const cell of await prepareCells(subject, combination, firstPagesOnly))
        fields.push({ subject, cell, figures: [] });
    }
  }
  // Side by side, whatever the size of the database.
  const order = combinations.flatMap((combination) =>
    fields.filter(({ cell }) => cell.combination === combination),
  );
  for (const { subject, cell } of order) await measureCell(subject, cell, WARM_UP_REQUESTS, 0);
  for (let round = 1; round <= rounds; round++) {
    for (const { subject, cell, figures } of order) {
      showProgress(
        `round ${round} of ${rounds}, ${named(subject)}: ${cell.combination.name}, ${cell.page} page …`,
      );
      figures.push(await measureCell(subject, cell, requests, Math.ceil(REQUESTS_AT_LEAST / rounds)));
    }
    say(`round ${round} of ${rounds} is measured`);
  }
  return order.map(({ subject, cell, figures }) => summarize(subject, cell, figures));
}

async function prepareCells(
  { reader, values }: Subject,
  combination: Combination,
  firstPageOnly: boolean,
): Promise<Cell[]> {
  const queries = new Map(
    Array.from({ length: VARIETY }, (_, n) => {
      const query = combination.query(values, n);
      return [pathOf(query, PAGE), query];
    }),
  );
  const first: Cell = { combination, page: 'first', paths: [...queries.keys()], depth: 0 };
  if (firstPageOnly) return [first];
  const deep: { path: string; depth: number }[] = [];
  for (const query of [...queries.values()].slice(0, DEEP_VARIETY)) {
    const { depth, cursor } = await walkTo(reader, query, (DEEP_PAGE - 1) * PAGE);
    if (depth > 0) deep.push({ path: pathOf(query, PAGE, cursor), depth });
  }
  if (deep.length === 0) return [first];
  const depth = sum(deep.map((each) => each.depth)) / deep.length;
  return [first, { combination, page: 'deep', paths: deep.map(({ path }) => path), depth }];
}

async function measureCell(
  { reader }: Subject,
  { paths }: Cell,
  requests: number,
  requestsWhenSlow: number,
): Promise<RoundFigures> {
  const times: number[] = [];
  const rows: number[] = [];
  const deadline = performance.now() + FAST_SECONDS * 1000;
  for (let n = 0; n < requests && (n < requestsWhenSlow || performance.now() < deadline); n++) {
    const answer = await reader.read(paths[n % paths.length] ?? '');
    times.push(answer.ms);
    if (!isTooBroad(answer)) rows.push(pageOf(answer).data.length);
  }
  const sorted = times.sort((a, b) => a - b);
  return {
    requests: times.length,
    tooBroad: times.length - rows.length,
    rows: rows.length === 0 ? 0 : sum(rows) / rows.length,
    p50: quantile(sorted, 0.5),
    p99: quantile(sorted, 0.99),
  };
}

function summarize({ orders }: Subject, cell: Cell, rounds: readonly RoundFigures[]): CellFigures {
  const { combination, page, depth } = cell;
  return {
    orders,
    combination: combination.name,
    isSelective: combination.isSelective,
    page,
    depth: Math.round(depth),
    rows: median(rounds.map(({ rows }) => rows)),
    requests: sum(rounds.map(({ requests }) => requests)),
    tooBroad: sum(rounds.map(({ tooBroad }) => tooBroad)),
    p50: median(rounds.map(({ p50 }) => p50)),
    p99: median(rounds.map(({ p99 }) => p99)),
    rounds,
  };
}

function named({ orders }: Subject): string {
  return `${orders.toLocaleString('en-US')} orders`;
}
