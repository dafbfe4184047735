import type { Query } from './combinations.ts';
import { isTooBroad, pageOf, pathOf, type Reader } from './reader.ts';

export const PAGE = 50;
const STRIDE = 200;
const SECONDS_AT_MOST = 60;

/** A place in a list: how many rows lie before it, and the cursor that leads there. */
export interface Place {
  readonly depth: number;
  readonly cursor: string | undefined;
}

const START: Place = { depth: 0, cursor: undefined };

/**
 * Walks to the page that begins behind so many rows, in large strides; or else to the last page there is. Where the list
 * is too broad to go on, or the way too long, it ends there.
 */
export async function walkTo(
  reader: Reader,
  query: Query,
  depth: number,
  from: Place = START,
): Promise<Place> {
  const deadline = performance.now() + SECONDS_AT_MOST * 1000;
  let at = from;
  while (at.depth < depth && performance.now() < deadline) {
    const stride = depth - at.depth >= STRIDE ? STRIDE : PAGE;
    const next = (await step(reader, query, at, stride)) ?? (await step(reader, query, at, PAGE));
    if (next === undefined || next === 'end') return next === 'end' ? lastPage(reader, query, at) : at;
    at = next;
  }
  return at;
}

/** Goes on in small steps to where the last page begins: it lies less than a stride ahead. */
async function lastPage(reader: Reader, query: Query, from: Place): Promise<Place> {
  let at = from;
  for (;;) {
    const next = await step(reader, query, at, PAGE);
    if (next === undefined || next === 'end') return at;
    at = next;
  }
}

/** @returns undefined where the list is too broad */
async function step(
  reader: Reader,
  query: Query,
  { depth, cursor }: Place,
  rows: number,
): Promise<Place | 'end' | undefined> {
  const answer = await reader.read(pathOf(query, rows, cursor));
  if (isTooBroad(answer)) return undefined;
  const { nextCursor } = pageOf(answer);
  return nextCursor === null ? 'end' : { depth: depth + rows, cursor: nextCursor };
}
