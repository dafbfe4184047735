import fc from 'fast-check';

import { inventedReport } from '../../../test/support/execution-stretches.js';
import { PARTITIONS, type Stretch } from './execution-bus.js';
import { partitionOf } from './partition-of.js';
import { StretchCutter } from './stretch-cutter.js';

describe('the part of an order', () => {
  it('stays the same: what is on its way was split by it', () => {
    const refs = ['X20261121-00001', 'X20261121-00002', 'X20261122-123456', '', 'Ordre 7'];
    expect(refs.map(partitionOf)).toEqual([0, 1, 1, 4, 5]);
  });

  it('is one of all parts, about as often as any other', () => {
    const counts = Array.from({ length: PARTITIONS }, () => 0);
    for (let n = 1; n <= 8_000; n += 1) {
      const part = partitionOf(`X20261121-${String(n).padStart(5, '0')}`);
      counts[part] = (counts[part] ?? 0) + 1;
    }
    expect(Math.min(...counts)).toBeGreaterThan(850);
    expect(Math.max(...counts)).toBeLessThan(1_150);
  });
});

describe('stretches', () => {
  it('join each other in every part, and have each report once, in the part of its order', () => {
    const batches = fc.array(fc.tuple(fc.integer({ min: 0, max: 40 }), fc.boolean()), { maxLength: 20 });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1_000 }), batches, (start, drawn) => {
        const cutter = new StretchCutter(start);
        const cut: Stretch[] = [];
        let reached = start;
        for (const [count, hasRest] of drawn) {
          const reports = Array.from({ length: count }, (_, index) => inventedReport(reached + 1 + index));
          reached += count;
          cut.push(...cutter.cut(reports), ...(hasRest ? cutter.catchUp() : []));
        }
        cut.push(...cutter.catchUp());
        expect(cutter.low).toBe(reached);
        for (let part = 0; part < PARTITIONS; part += 1) {
          let end = start;
          for (const { after, through, reports } of cut.filter(({ partition }) => partition === part)) {
            expect(after).toBe(end);
            expect(through).toBeGreaterThan(after);
            for (const { sequence, orderRef } of reports) {
              expect(partitionOf(orderRef)).toBe(part);
              expect(sequence).toBeGreaterThan(after);
              expect(sequence).toBeLessThanOrEqual(through);
            }
            end = through;
          }
          expect(end).toBe(reached);
        }
        const all = cut.flatMap(({ reports }) => reports.map(({ sequence }) => sequence));
        expect(all.toSorted((a, b) => a - b)).toEqual(
          Array.from({ length: reached - start }, (_, index) => start + 1 + index),
        );
      }),
      { seed: 20261121, numRuns: 300 },
    );
  });

  it('take in what has no order', () => {
    const cutter = new StretchCutter(0);
    const nameless = inventedReport(1, { orderRef: undefined as unknown as string });
    expect(cutter.cut([nameless])).toMatchObject([{ partition: 0, reports: [nameless] }]);
  });
});
