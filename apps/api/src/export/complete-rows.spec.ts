import fc from 'fast-check';

import { CompleteRows, cursorOf } from './complete-rows.js';

const cell = fc.string({ unit: fc.constantFrom(...'a",\r\n🍵') });
const csvRow = fc
  .array(
    cell.map((text) => `"${text.replaceAll('"', '""')}"`),
    { minLength: 1 },
  )
  .map((cells) => `${cells.join()}\r\n`);
const ndjsonRow = cell.map((text) => `${JSON.stringify({ text })}\n`);

describe.each([
  ['csv', csvRow],
  ['ndjson', ndjsonRow],
] as const)('the rows of a %s', (format, anyRow) => {
  it('come out whole and in order, however they arrive, and what has no end is held back', () => {
    const anyRows = fc.array(anyRow, { maxLength: 6 });
    const property = fc.property(
      anyRows,
      fc.array(fc.nat(9), { minLength: 1 }),
      fc.nat(),
      (texts, sizes, cut) => {
        const sent = Buffer.from(texts.join(''));
        const arrived = sent.subarray(0, cut % (sent.length + 1));
        const rows = new CompleteRows(format);
        const out: string[] = [];
        for (let at = 0, turn = 0; at < arrived.length; turn += 1) {
          const size = 1 + (sizes[turn % sizes.length] as number);
          const { bytes, ends } = rows.add(arrived.subarray(at, at + size));
          ends.forEach((end, index) => out.push(bytes.subarray(ends[index - 1] ?? 0, end).toString()));
          expect(bytes.length).toBe(ends.at(-1) ?? 0);
          at += size;
        }
        expect(out).toEqual(texts.slice(0, out.length));
        expect(rows.isWithinRow).toBe(Buffer.byteLength(out.join('')) < arrived.length);
        const complete = texts.filter(
          (_, index) => Buffer.byteLength(texts.slice(0, index + 1).join('')) <= arrived.length,
        );
        expect(out).toHaveLength(complete.length);
      },
    );
    fc.assert(property, { numRuns: 500 });
  });
});

describe('the cursor of a row', () => {
  const CURSOR = 'S24xNt31psKiBKViQoBxKOFL7NhbIjIwMjQx-_';

  it('is the last of it', () => {
    expect(cursorOf(`{"id":"1","cursor":"${CURSOR}"}\n`, 'ndjson')).toBe(CURSOR);
    expect(cursorOf(`1,"a, b",${CURSOR}\r\n`, 'csv')).toBe(CURSOR);
  });

  it('is not there in a header, and in what is no row', () => {
    expect(cursorOf('id,status,cursor\r\n', 'csv')).toBeUndefined();
    expect(cursorOf('{"cursor":"a"', 'ndjson')).toBeUndefined();
  });
});
