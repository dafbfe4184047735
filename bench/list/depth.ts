import type { BenchDatabase } from '../support/database.ts';
import { median } from '../support/statistics.ts';
import { showProgress } from '../support/terminal.ts';
import { pageOf, pathOf, type Reader } from './reader.ts';
import { PAGE, walkTo, type Place } from './walk.ts';

const DEPTHS = [50, 1_000, 10_000, 50_000, 100_000, 1_000_000];
const REPEATS = 20;
// The deep ones take seconds.
const OFFSET_SECONDS = 10;
const QUERY = { sort: 'newest' };

// What the list reads of an order, without its lines.
const OFFSET_PAGE = `
  SELECT id, customer_id, client_order_id, status, priority, currency, total_cents, reservation_id, placed_at, updated_at,
    version
  FROM orders ORDER BY id DESC OFFSET $1 LIMIT ${PAGE}`;

/** What a page behind so many rows takes: by a cursor over HTTP, and by OFFSET in the database alone. */
export interface DepthFigures {
  readonly depth: number;
  readonly cursorMs: number;
  readonly offsetMs: number;
}

/** Reads the same list both ways, ever deeper. */
export async function measureDepth(
  database: BenchDatabase,
  reader: Reader,
  orders: number,
): Promise<DepthFigures[]> {
  const figures: DepthFigures[] = [];
  let place: Place = { depth: 0, cursor: undefined };
  for (const depth of DEPTHS.filter((each) => each < orders)) {
    showProgress(`walking to row ${depth.toLocaleString('en-US')} …`);
    while (place.depth < depth) {
      const further = await walkTo(reader, QUERY, depth, place);
      if (further.depth === place.depth) throw new Error(`the list cannot be read behind row ${place.depth}`);
      place = further;
    }
    figures.push({
      depth,
      cursorMs: await timeCursor(reader, place),
      offsetMs: await timeOffset(database, depth),
    });
  }
  return figures;
}

async function timeCursor(reader: Reader, { cursor }: Place): Promise<number> {
  const times: number[] = [];
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    const answer = await reader.read(pathOf(QUERY, PAGE, cursor));
    if (pageOf(answer).data.length !== PAGE) throw new Error('a page is not full');
    times.push(answer.ms);
  }
  return median(times);
}

async function timeOffset({ client }: BenchDatabase, depth: number): Promise<number> {
  const times: number[] = [];
  const deadline = performance.now() + OFFSET_SECONDS * 1000;
  while (times.length < 3 || (times.length < REPEATS && performance.now() < deadline)) {
    const begin = performance.now();
    const { rows } = await client.query(OFFSET_PAGE, [depth]);
    if (rows.length !== PAGE) throw new Error('a page is not full');
    times.push(performance.now() - begin);
  }
  return median(times);
}
