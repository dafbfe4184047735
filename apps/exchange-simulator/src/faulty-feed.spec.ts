import * as fc from 'fast-check';

import { type Behaviour, NORMAL_BEHAVIOUR } from './behaviour.js';
import { FaultyFeed } from './faulty-feed.js';
import { randomFrom } from './random.js';

const COUNT = 5_000;

/** Everything that is sent of reports 1 to 5,000, in portions of up to 50. */
function sent(behaviour: Partial<Behaviour>, { newAfter = 0, seed = 1 } = {}): number[] {
  const random = randomFrom('portions', seed);
  const feed = new FaultyFeed(newAfter, randomFrom(seed));
  const all: number[] = [];
  for (let first = 1; first <= COUNT;) {
    const last = Math.min(COUNT, first + Math.floor(random() * 50));
    const { sequences, isCut } = feed.take(first, last, { ...NORMAL_BEHAVIOUR, ...behaviour });
    all.push(...sequences);
    if (isCut) return all;
    first = last + 1;
  }
  return [...all, ...feed.release()];
}

const IN_ORDER = Array.from({ length: COUNT }, (_, index) => index + 1);
const sorted = (sequences: readonly number[]) => sequences.toSorted((a, b) => a - b);

/** How far a report comes behind one that follows it, at most. */
function furthestBehind(sequences: readonly number[]): number {
  let highest = 0;
  return Math.max(...sequences.map((sequence) => (highest = Math.max(highest, sequence)) - sequence));
}

describe('reports are sent', () => {
  it('in order, once, when nothing is to go wrong', () => {
    expect(sent({})).toEqual(IN_ORDER);
  });

  it('twice, if they are to be, at most so many behind', () => {
    const all = sent({ duplicatePercent: 10, reorderWindow: 5 });
    expect(all.length).toBeGreaterThan(COUNT * 1.08);
    expect(all.length).toBeLessThan(COUNT * 1.12);
    expect([...new Set(all)]).toEqual(IN_ORDER);
    expect(furthestBehind(all)).toBe(5);
  });

  it('out of order, if they are to be, none of them lost, and none further off than wanted', () => {
    const all = sent({ reorderPercent: 10, reorderWindow: 7 });
    expect(all).not.toEqual(IN_ORDER);
    expect(sorted(all)).toEqual(IN_ORDER);
    expect(furthestBehind(all)).toBe(7);
  });

  it('with gaps, if there are to be any, no longer than wanted unless they meet, and not on replay', () => {
    const gaps = { gapPercent: 1, gapLength: 4 };
    const all = new Set(sent(gaps, { newAfter: 1_000 }));
    const missing = IN_ORDER.filter((sequence) => !all.has(sequence));
    expect(missing.length).toBeGreaterThan(50);
    expect(missing.length).toBeLessThan(200);
    expect(missing[0]).toBeGreaterThan(1_000);
    expect(sent(gaps, { newAfter: COUNT })).toEqual(IN_ORDER);
  });

  it('up to a cut, if there is to be one, and not on replay', () => {
    const all = sent({ disconnectPercent: 1 }, { newAfter: 1_000 });
    expect(all).toEqual(IN_ORDER.slice(0, all.length));
    expect(all.length).toBeGreaterThan(1_000);
    expect(all.length).toBeLessThan(COUNT);
    expect(sent({ disconnectPercent: 1 }, { newAfter: COUNT })).toEqual(IN_ORDER);
  });

  it('the same way again with the same seed, and each at least once unless it is left out', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(50), fc.nat(50), fc.integer({ min: 1, max: 50 }), (seed, ...rates) => {
        const [duplicatePercent, reorderPercent, reorderWindow] = rates;
        const behaviour = { duplicatePercent, reorderPercent, reorderWindow };
        const all = sent(behaviour, { seed });
        expect(sent(behaviour, { seed })).toEqual(all);
        expect(sorted([...new Set(all)])).toEqual(IN_ORDER);
      }),
      { seed: 20261121, numRuns: 20 },
    );
  });
});
