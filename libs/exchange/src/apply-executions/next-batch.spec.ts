import fc from 'fast-check';

import { sequencesOf, stretchOf } from '../../../../test/support/execution-stretches.js';
import { BatchSize } from './batch-size.js';
import { nextBatch } from './next-batch.js';

describe('the next batch', () => {
  it('is nothing when nothing came, or nothing that goes further', () => {
    expect(nextBatch(10, [])).toBe('nothing');
    expect(nextBatch(10, [stretchOf(0, 0, 10)])).toBe('nothing');
  });

  it('is a gap when what comes next is missing', () => {
    expect(nextBatch(10, [stretchOf(0, 11, 20)])).toBe('gap');
  });

  it('ends before what is missing', () => {
    const batch = nextBatch(10, [stretchOf(0, 10, 15), stretchOf(0, 17, 20)]);
    expect(batch).toMatchObject({ after: 10, through: 15 });
  });

  it('moves on where there are no reports', () => {
    const empty = { partition: 0, after: 10, through: 30, reports: [] };
    expect(nextBatch(10, [empty])).toEqual({ after: 10, through: 30, reports: [] });
  });

  it('has every report behind what is applied once, in order, wherever it is cut', () => {
    const drawn = fc.array(fc.tuple(fc.integer({ min: 0, max: 8 }), fc.integer({ min: 1, max: 10 })));
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 20 }),
        drawn,
        fc.integer({ min: 1, max: 50 }),
        (applied, steps, most) => {
          let end = applied;
          const stretches = steps.map(([overlap, length]) => {
            const after = Math.max(0, end - overlap);
            end = Math.max(end, after + length);
            return stretchOf(0, after, after + length, 2);
          });
          const seen: number[] = [];
          for (let at = applied; at < end;) {
            const batch = nextBatch(at, stretches, most);
            if (typeof batch === 'string') throw new Error(batch);
            expect(batch.after).toBe(at);
            expect(batch.reports.length).toBeLessThanOrEqual(most);
            seen.push(...batch.reports.map(({ sequence }) => sequence));
            at = batch.through;
          }
          expect(seen).toEqual(sequencesOf([stretchOf(0, applied, end, 2)]));
        },
      ),
      { seed: 20261121, numRuns: 500 },
    );
  });
});

describe('the size of batches', () => {
  it('grows while there is more than fits, and shrinks when that takes long', () => {
    const size = new BatchSize();
    const first = size.limit;
    size.succeeded(first - 1, 1);
    expect(size.limit).toBe(first);
    for (let batch = 0; batch < 10; batch += 1) size.succeeded(size.limit, 1);
    expect(size.limit).toBe(4_000);
    size.succeeded(4_000, 400);
    expect(size.limit).toBe(4_000);
    size.succeeded(4_000, 5_000);
    expect(size.limit).toBe(2_000);
  });

  it('shrinks when a transaction comes to nothing', () => {
    const size = new BatchSize();
    for (let batch = 0; batch < 10; batch += 1) size.succeeded(size.limit, 1);
    for (const expected of [2_000, 1_000, 500, 500]) {
      size.gaveUp();
      expect(size.limit).toBe(expected);
    }
  });

  it('comes down to a single report when one is poisonous, and recovers', () => {
    const size = new BatchSize();
    expect(size.most).toBe(Infinity);
    const tried: number[] = [];
    for (let count = 500; count > 1; count = size.most) {
      size.failed(count);
      tried.push(size.most);
    }
    expect(tried).toEqual([250, 125, 62, 31, 15, 7, 3, 1]);
    for (let batch = 0; batch < 20; batch += 1) size.succeeded(size.limit, 1);
    expect([size.most, size.limit]).toEqual([Infinity, 4_000]);
  });
});
