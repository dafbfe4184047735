import type { Books } from './shop.js';

/** What the buyers of a sale know. */
export interface Told {
  /** The orders that they were told of. */
  readonly orderIds: readonly string[];
  readonly protests: readonly string[];
}

/**
 * Whether a sale to more buyers than pieces came out right. Knows nothing of the shop: every shop is judged by it.
 * @returns what did not, in words
 */
export function judge(pieces: number, { orderIds, protests }: Told, books: Books): string[] {
  const { onHand, reserved, allocated, held, ordered } = books;
  const told = new Set(orderIds);
  const stored = new Set(books.orderIds);
  const lost = countMissing(told, stored);
  const strays = countMissing(stored, told);
  const problems: [boolean, string][] = [
    [stored.size !== pieces, `${pieces} pieces, ${stored.size} orders`],
    [told.size !== orderIds.length, `${orderIds.length} buyers were told of ${told.size} orders`],
    [lost > 0, `${lost} orders that were told are lost`],
    [strays > 0, `${strays} orders were told to nobody`],
    [onHand !== pieces, `${onHand} on hand; ${pieces} were put there`],
    [reserved !== held, `${reserved} reserved, the holds come to ${held}`],
    [allocated !== ordered, `${allocated} allocated, the orders come to ${ordered}`],
    [held !== 0, `${held} still held when everybody had gone`],
    [reserved + allocated > onHand, `oversold: ${reserved} reserved and ${allocated} allocated of ${onHand}`],
  ];
  return [...protests, ...problems.flatMap(([isWrong, words]) => (isWrong ? [words] : []))];
}

function countMissing(all: ReadonlySet<string>, present: ReadonlySet<string>): number {
  return [...all].filter((one) => !present.has(one)).length;
}
