import fc from 'fast-check';

import { inventedReport } from '../../../../test/support/execution-stretches.js';
import { StreamOrder } from './stream-order.js';

const sequences = (reports: readonly { readonly sequence: number }[]) =>
  reports.map(({ sequence }) => sequence);
const reports = (...places: number[]) => places.map((place) => inventedReport(place));

describe('a stream that repeats, reorders and leaves out', () => {
  it('is handed on in order, each report once', () => {
    const order = new StreamOrder(10, 100);
    expect(sequences(order.accept(reports(11, 12)))).toEqual([11, 12]);
    expect(sequences(order.accept(reports(12, 14, 9, 15)))).toEqual([]);
    expect([order.through, order.held, order.dropped]).toEqual([12, 2, 2]);
    expect(sequences(order.accept(reports(14, 13, 17)))).toEqual([13, 14, 15]);
    expect([order.through, order.held, order.dropped]).toEqual([15, 1, 3]);
  });

  it('is held back only as far as there is room', () => {
    const order = new StreamOrder(0, 3);
    expect(order.accept(reports(2, 3, 4, 5, 6))).toEqual([]);
    expect([order.held, order.isFull, order.dropped]).toEqual([3, true, 2]);
    expect(sequences(order.accept(reports(1)))).toEqual([1, 2, 3, 4]);
    expect([order.through, order.held]).toEqual([4, 0]);
  });

  it.each([NaN, 1.5, -1, 0, Infinity, '3' as unknown as number])('has no place for number %s', (sequence) => {
    const order = new StreamOrder(0, 10);
    expect(order.accept([inventedReport(1, { sequence })])).toEqual([]);
    expect([order.through, order.held]).toEqual([0, 0]);
  });

  it('comes out whole however it was mixed up, if what is missing is sent again', () => {
    const capacity = 8;
    const arrivals = fc.tuple(
      fc.integer({ min: 0, max: 1_000 }),
      fc.integer({ min: 1, max: 60 }),
      // Of each report: how often it comes, and by how many places it is late.
      fc.infiniteStream(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 12 }))),
      fc.integer({ min: 1, max: 10 }),
    );
    fc.assert(
      fc.property(arrivals, ([after, count, fates, frame]) => {
        const last = after + count;
        let order = new StreamOrder(after, capacity);
        const handedOn: number[] = [];
        // Every connection loses and mixes up, but the tenth behaves.
        for (let connection = 0; order.through < last; connection += 1) {
          const sent = Array.from({ length: last - order.through }, (_, index) => order.through + 1 + index);
          const arriving = connection === 10 ? sent : mixUp(sent, fates);
          for (let from = 0; from < arriving.length; from += frame) {
            handedOn.push(...sequences(order.accept(reports(...arriving.slice(from, from + frame)))));
            expect(order.held).toBeLessThanOrEqual(capacity);
          }
          order = new StreamOrder(order.through, capacity);
        }
        expect(handedOn).toEqual(Array.from({ length: count }, (_, index) => after + 1 + index));
      }),
      { seed: 20261121, numRuns: 500 },
    );
  });
});

function mixUp(sent: readonly number[], fates: fc.Stream<[copies: number, delay: number]>): number[] {
  return sent
    .flatMap((sequence, place) => {
      const { value } = fates.next();
      const [copies, delay] = value as [number, number];
      return Array.from({ length: copies }, (_, copy) => ({ sequence, at: place + delay * (copy + 1) }));
    })
    .sort((a, b) => a.at - b.at)
    .map(({ sequence }) => sequence);
}
