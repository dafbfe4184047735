/** Numbers from 0 to below 1 by chance, and the same ones again for the same names. */
export type Random = () => number;

/**
 * What happens to an order is drawn from a source of its own, named after it: so it does not depend on which orders came
 * before, or at the same time. (FNV-1a makes a number of the names, mulberry32 the others of that.)
 */
export function randomFrom(...names: readonly (string | number)[]): Random {
  let state = hashOf(names.join('\n'));
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function chance(random: Random, percent: number): boolean {
  return percent > 0 && random() * 100 < percent;
}

/** A whole number, both ends included. */
export function between(random: Random, minimum: number, maximum: number): number {
  return minimum + Math.floor(random() * (maximum - minimum + 1));
}

function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1)
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash;
}
