import type { ExecutionReport } from '../execution-report.js';
import { examineReport, reasonOf } from './examine-report.js';

const TRADE: ExecutionReport = {
  sequence: 1,
  execId: 'E1',
  orderRef: 'X20261121-00001',
  type: 'trade',
  quantity: 10,
  priceCents: 1_234,
  executedAt: '2026-11-21T11:59:59.123456789Z',
};
const CANCELLED = {
  sequence: 1,
  execId: 'E1',
  orderRef: 'X20261121-00001',
  type: 'cancelled',
  executedAt: TRADE.executedAt,
};
const QUANTITY = 'a trade needs a whole quantity up to 1000000000';
const PRICE = 'a trade needs a price in whole cents up to 9999999999';

describe('a report as it stands', () => {
  it.each<[what: string, report: object]>([
    ['a trade', TRADE],
    ['the largest trade', { ...TRADE, quantity: 1_000_000_000, priceCents: 9_999_999_999 }],
    ['an end', CANCELLED],
    ['an end with empty fields', { ...CANCELLED, quantity: null, priceCents: undefined, reason: null }],
  ])('is good: %s', (_, report) => {
    expect(examineReport(report as ExecutionReport)).toBeUndefined();
  });

  it.each<[complaint: string, changes: object]>([
    ['it has no ExecID', { execId: undefined }],
    ['it has no ExecID', { execId: '' }],
    ['it has no ExecID', { execId: 'E\u001e1' }],
    ['it has no ExecID', { execId: 'E'.repeat(129) }],
    ['it has no ExecID', { execId: 7 }],
    ['its type is not known', { type: 'restated' }],
    ['its type is not known', { type: 'toString' }],
    [QUANTITY, { quantity: 0 }],
    [QUANTITY, { quantity: -1 }],
    [QUANTITY, { quantity: 1.5 }],
    [QUANTITY, { quantity: '10' }],
    [QUANTITY, { quantity: 1_000_000_001 }],
    [QUANTITY, { quantity: 2 ** 53 }],
    [PRICE, { priceCents: 10_000_000_000 }],
    [QUANTITY, { quantity: undefined }],
    [PRICE, { priceCents: Infinity }],
    [PRICE, { priceCents: null }],
    ['only a trade has a quantity and a price', { type: 'cancelled' }],
    ['only a trade has a quantity and a price', { type: 'new', quantity: undefined }],
    ['it does not say when it happened', { executedAt: '2026-11-21' }],
    ['it does not say when it happened', { executedAt: '2026-13-21T00:00:00Z' }],
    ['it does not say when it happened', { executedAt: '2026-11-21T00:00:00+01:00' }],
    ['it does not say when it happened', { executedAt: 1_763_000_000 }],
  ])('is bad: %s', (complaint, changes) => {
    expect(examineReport({ ...TRADE, ...changes })).toBe(complaint);
  });

  it('has a reason that a column can hold', () => {
    const reason = `no\0\u001e funds ${'\ud800'}${'!'.repeat(1_000)}`;
    const found = reasonOf({ ...TRADE, reason });
    expect(found).toMatch(/^no {3}funds \ufffd!+$/);
    expect(found).toHaveLength(500);
    expect(reasonOf({ ...TRADE, reason: '' })).toBeNull();
    expect(reasonOf(TRADE)).toBeNull();
  });
});
