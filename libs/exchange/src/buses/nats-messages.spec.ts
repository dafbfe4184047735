import fc from 'fast-check';

import { inventedReport } from '../../../../test/support/execution-stretches.js';
import type { ExecutionReport } from '../execution-report.js';
import { piecesBeyond, readHead, readReports, writeHead } from './nats-messages.js';

const MOST_BYTES = 512 * 1024;

/** Reports of one part, some of them long, with places of other parts in between. */
const someReports = fc
  .array(fc.record({ step: fc.integer({ min: 1, max: 20 }), words: fc.integer({ min: 0, max: 1_500 }) }), {
    maxLength: 2_500,
    size: 'max',
  })
  .map((places) => {
    let sequence = 0;
    return places.map(({ step, words }): ExecutionReport => {
      sequence += step;
      return inventedReport(sequence, { reason: '日'.repeat(words) });
    });
  });

test('a stretch in pieces is the same stretch, and each piece is small', () => {
  fc.assert(
    fc.property(
      someReports,
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.nat(50),
      (reports, share, rest) => {
        const through = (reports.at(-1)?.sequence ?? 0) + rest + 1;
        const reached = Math.floor(share * (through - 1));
        const pieces = [...piecesBeyond({ partition: 0, after: 0, through, reports }, reached)];
        const ends = pieces.map((piece) => piece.through);
        expect(pieces.map(({ after }) => after)).toEqual([reached, ...ends.slice(0, -1)]);
        expect(ends.at(-1)).toBe(through);
        const found = pieces.map(({ body }) => readReports(body));
        expect(found.flat()).toEqual(reports.filter(({ sequence }) => sequence > reached));
        for (const [index, { body, after, through: end }] of pieces.entries()) {
          expect(end).toBeGreaterThan(after);
          expect(body.length).toBeLessThanOrEqual(MOST_BYTES + 2);
          expect(found[index]?.length).toBeLessThanOrEqual(1_000);
          expect(found[index]?.every(({ sequence }) => sequence > after && sequence <= end)).toBe(true);
        }
      },
    ),
    { numRuns: 15, seed: 20261121 },
  );
});

test('a head is read as it was written', () => {
  const head = { after: 0, through: Number.MAX_SAFE_INTEGER, since: 17 };
  expect(readHead(writeHead(head))).toEqual(head);
});

test('what has no head is none of ours', () => {
  expect(() => readHead(undefined)).toThrow(/has no Daybook-After/);
  const half = writeHead({ after: 1, through: 2, since: 1 });
  half.set('Daybook-Through', 'x');
  expect(() => readHead(half)).toThrow(/has no Daybook-Through/);
});
