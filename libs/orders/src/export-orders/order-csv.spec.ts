import fc from 'fast-check';

import { parseCsv, parseCsvRows } from '../../../../test/support/csv.js';
import type { ExportedOrderResponse } from './export-orders.dto.js';
import { CSV_HEADER, toCsvRow } from './order-csv.js';

const line = (sku: string, quantity: number) => ({
  ...{ sku, name: 'Of no interest', quantity, unitPriceCents: 1, lineTotalCents: quantity, allocations: [] },
});
const ORDER: ExportedOrderResponse = {
  id: '20261120-00001',
  status: 'pending',
  customerId: 'alice',
  clientOrderId: null,
  priority: 'normal',
  currency: 'USD',
  totalCents: 2500,
  lines: [line('TEA-EARL-GREY', 2), line('POT-1L', 1)],
  reservationId: null,
  placedAt: '2026-11-20T09:30:00.000Z',
  updatedAt: '2026-11-20T09:31:00.000Z',
  version: 2,
  cursor: 'abc_-123',
};

const rowOf = (changes: Partial<ExportedOrderResponse>) => toCsvRow({ ...ORDER, ...changes });
/** The cells as a CSV parser reads them. */
const cellsOf = (changes: Partial<ExportedOrderResponse>) => {
  const [cells, ...others] = parseCsvRows(CSV_HEADER + rowOf(changes));
  if (cells === undefined || others.length > 0) throw new Error('An order is one record');
  return cells;
};
/** What docs/exporting-orders.md says: how a program takes the quotes away again. */
const undo = (cell: string) =>
  cell.replaceAll(/(?<=^|;)'(?='*(?:\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n\0]))/g, '');

describe('the row of an order', () => {
  it('has what a person with a spreadsheet wants to know, and the cursor last', () => {
    expect(CSV_HEADER + rowOf({})).toBe(
      'id,status,customerId,clientOrderId,priority,currency,totalCents,lines,reservationId,placedAt,updatedAt,version,cursor\r\n' +
        '20261120-00001,pending,alice,,normal,USD,2500,"2 x TEA-EARL-GREY; 1 x POT-1L",,' +
        '2026-11-20T09:30:00.000Z,2026-11-20T09:31:00.000Z,2,abc_-123\r\n',
    );
  });

  it('puts what would end a field or a record in quotes, and doubles quotes', () => {
    expect(rowOf({ clientOrderId: 'a "b", c' })).toContain(',"a ""b"", c",');
    expect(cellsOf({ clientOrderId: 'one\r\ntwo' })['clientOrderId']).toBe('one\r\ntwo');
  });
});

// Text of anything, but oftener of what matters.
const text = fc.string({
  unit: fc.oneof(
    fc.constantFrom(...'=+-@\uff1d\uff0b\uff0d\uff20\t\r\n\0\'";, \u00a0\ufeff1a'),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
  ),
  maxLength: 12,
});

describe('text that somebody typed', () => {
  it('comes back from a parser as it was stored, once the quotes are taken away again', () => {
    fc.assert(
      fc.property(text, text, (customerId, clientOrderId) => {
        const cells = cellsOf({ customerId, clientOrderId });
        expect(undo(cells['customerId'] ?? '')).toBe(customerId);
        expect(undo(cells['clientOrderId'] ?? '')).toBe(clientOrderId);
        expect(cells).toMatchObject({ id: ORDER.id, totalCents: '2500', cursor: ORDER.cursor });
      }),
      { numRuns: 2_000 },
    );
  });

  it('is never a formula, with commas or semicolons between the cells', () => {
    fc.assert(
      fc.property(text, (clientOrderId) => {
        const cell = cellsOf({ clientOrderId })['clientOrderId'] ?? '';
        for (const begun of [cell, ...cell.split(';')])
          expect(begun).not.toMatch(/^\s*[=+\-@＝＋－＠]|^[\t\r\n\0]/);
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    ['=1+1', "'=1+1"],
    ['+49 30 1234', "'+49 30 1234"],
    ['-5', "'-5"],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['\t=1', "'\t=1"],
    ['\rx', "'\rx"],
    ['  =1', "'  =1"],
    ['＝1', "'＝1"],
    ["'=1", "''=1"],
    ['x;=HYPERLINK("//evil")', `x;'=HYPERLINK("//evil")`],
    ["'t Hooft", "'t Hooft"],
    ['a-b=c', 'a-b=c'],
  ])('%j is put as %j', (stored, put) => {
    expect(cellsOf({ clientOrderId: stored })['clientOrderId']).toBe(put);
  });

  it('that is a number of ours is left alone', () => {
    expect(cellsOf({ totalCents: -5 })['totalCents']).toBe('-5');
  });
});

describe('the parser of this test', () => {
  it.each(['a,b', 'a"b\r\n', '"a\r\n', '"a"b\r\n', 'a\nb\r\n', 'a,b\r\nc\r\n'])('refuses %j', (bad) => {
    expect(() => parseCsv(bad)).toThrow();
  });
});
