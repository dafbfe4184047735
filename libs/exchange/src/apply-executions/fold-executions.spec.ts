import fc from 'fast-check';

import type { ExchangeOrder, ExchangeOrderId } from '../exchange-order.entity.js';
import { avgPriceCents } from '../exchange-order.entity.js';
import {
  EXCHANGE_ORDER_STATUSES,
  type ExchangeOrderStatus,
  exchangeOrderStatusMachine,
  isFinal,
} from '../exchange-order-status.js';
import { EXECUTION_TYPES, type ExecutionReport, type ExecutionType } from '../execution-report.js';
import { foldExecutions } from './fold-executions.js';

const NOW = new Date('2026-11-21T12:00:00.000Z');

const orderIn = (status: ExchangeOrderStatus, other: Partial<ExchangeOrder> = {}): ExchangeOrder => ({
  id: 'X20261121-00001' as ExchangeOrderId,
  customerId: 'alice',
  clientOrderId: null,
  venue: 'XSIM',
  instrument: 'DE0007164600',
  side: 'buy',
  type: 'market',
  quantity: 100,
  limitPriceCents: null,
  status,
  reason: null,
  cumQuantity: status === 'filled' ? 100 : status === 'partially_filled' ? 40 : 0,
  tradedCents: status === 'filled' ? 1_000n : status === 'partially_filled' ? 400n : 0n,
  placedAt: NOW,
  updatedAt: NOW,
  version: 2,
  ...other,
});

let made = 0;
const report = (type: ExecutionType, other: Partial<ExecutionReport> = {}): ExecutionReport => ({
  sequence: ++made,
  execId: `E${made}`,
  orderRef: 'X20261121-00001',
  type,
  ...(type === 'trade' && { quantity: 10, priceCents: 1_234 }),
  executedAt: '2026-11-21T11:59:59.000Z',
  ...other,
});
const trade = (quantity: number, priceCents = 1_234) => report('trade', { quantity, priceCents });

const fold = (order: ExchangeOrder, ...reports: ExecutionReport[]) => foldExecutions(order, reports, NOW);

describe('a report', () => {
  // The table of what each type of report makes of an order in each status: '=' recorded, nothing changes; '!' refused.
  const table: Record<ExchangeOrderStatus, Record<ExecutionType, string>> = {
    // prettier-ignore
    pending: { new: 'created', trade: 'partially_filled', cancelled: 'cancelled', rejected: 'rejected', expired: 'expired', cancel_rejected: '=' },
    // prettier-ignore
    created: { new: '=', trade: 'partially_filled', cancelled: 'cancelled', rejected: 'rejected', expired: 'expired', cancel_rejected: '=' },
    // prettier-ignore
    partially_filled: { new: '=', trade: 'partially_filled', cancelled: 'cancelled', rejected: '!', expired: 'expired', cancel_rejected: '=' },
    // prettier-ignore
    cancel_pending: { new: '=', trade: 'cancel_pending', cancelled: 'cancelled', rejected: 'rejected', expired: 'expired', cancel_rejected: 'created' },
    filled: { new: '!', trade: '!', cancelled: '!', rejected: '!', expired: '!', cancel_rejected: '=' },
    cancelled: { new: '!', trade: '!', cancelled: '=', rejected: '!', expired: '!', cancel_rejected: '=' },
    rejected: { new: '=', trade: '!', cancelled: '!', rejected: '=', expired: '!', cancel_rejected: '=' },
    expired: { new: '!', trade: '!', cancelled: '!', rejected: '!', expired: '=', cancel_rejected: '=' },
    failed: { new: '!', trade: '!', cancelled: '!', rejected: '!', expired: '!', cancel_rejected: '=' },
  };
  const cases = EXCHANGE_ORDER_STATUSES.flatMap((status) =>
    EXECUTION_TYPES.map((type) => [type, status, table[status][type]] as const),
  );

  it.each(cases)('%s on an order that is %s: %s', (type, status, expected) => {
    const order = orderIn(status);
    const { order: after, recorded, refused } = fold(order, report(type));
    if (expected === '!') expect([after, recorded.length, refused.length]).toEqual([order, 0, 1]);
    else if (expected === '=') expect([after, recorded.length, refused.length]).toEqual([order, 1, 0]);
    else expect([after.status, after.version, recorded.length]).toEqual([expected, 3, 1]);
    if (expected === '=' || expected === '!') expect(after).toBe(order);
  });

  it('fills an order, whatever was open about it', () => {
    for (const status of ['pending', 'created', 'partially_filled', 'cancel_pending'] as const) {
      const order = orderIn(status);
      expect(fold(order, trade(order.quantity - order.cumQuantity)).order.status).toBe('filled');
    }
  });

  it('brings an order back to how it was filled when it was not cancelled, and says why', () => {
    const order = orderIn('cancel_pending', { cumQuantity: 5, tradedCents: 50n });
    const { order: after } = fold(order, report('cancel_rejected', { reason: 'too late to cancel' }));
    expect([after.status, after.reason]).toEqual(['partially_filled', 'too late to cancel']);
  });

  it('is refused when it fills more than was ordered, and what comes behind it counts', () => {
    const { order, refused } = fold(orderIn('created'), trade(60), trade(41), trade(40));
    expect([order.status, order.cumQuantity]).toEqual(['filled', 100]);
    expect(refused.map(({ reason }) => reason)).toEqual(['over-filled: 101 of 100']);
  });

  it('cannot take back what has been filled', () => {
    const { refused } = fold(orderIn('created'), trade(1), report('rejected'));
    expect(refused.map(({ reason }) => reason)).toEqual(['rejected although it has fills']);
  });

  it('keeps sums exact that no number holds', () => {
    const quantity = 9_000_000_000_000;
    const priceCents = 900_719;
    const { order } = fold(
      orderIn('created', { quantity: 2 * quantity }),
      trade(quantity, priceCents),
      trade(quantity, priceCents + 1),
    );
    expect(order.tradedCents).toBe(BigInt(quantity) * BigInt(2 * priceCents + 1));
    expect(avgPriceCents(order)).toBe(priceCents + 1);
  });
});

describe('reports of an order', () => {
  const anyReport = fc.record({
    type: fc.constantFrom(...EXECUTION_TYPES, 'trade' as const, 'trade' as const),
    quantity: fc.integer({ min: 1, max: 60 }),
    priceCents: fc.integer({ min: 1, max: 1_000_000 }),
    reason: fc.option(fc.constantFrom('because', 'the market is closed'), { nil: undefined }),
  });
  const stories = fc.tuple(
    fc.constantFrom(...EXCHANGE_ORDER_STATUSES),
    fc.array(anyReport, { maxLength: 25 }),
    fc.array(fc.integer({ min: 0, max: 25 }), { maxLength: 4 }),
  );
  const toReports = (
    drawn: readonly {
      readonly type: ExecutionType;
      quantity: number;
      priceCents: number;
      reason: string | undefined;
    }[],
  ) =>
    drawn.map(({ type, quantity, priceCents, reason }) =>
      report(type, { ...(type === 'trade' && { quantity, priceCents }), reason }),
    );

  it('come to what a clerk with a ledger makes of them, one after the other', () => {
    fc.assert(
      fc.property(stories, ([status, drawn]) => {
        const order = orderIn(status);
        const reports = toReports(drawn);
        const clerk = new Clerk(order);
        for (const each of reports) clerk.hear(each);
        const { order: after, recorded, refused } = fold(order, ...reports);
        expect(after.status).toBe(clerk.status);
        expect(after.cumQuantity).toBe(clerk.shares.length + order.cumQuantity);
        expect(after.tradedCents).toBe(
          clerk.shares.reduce((sum, price) => sum + BigInt(price), order.tradedCents),
        );
        expect(recorded.map(({ execId }) => execId)).toEqual(clerk.believed);
        expect(recorded.length + refused.length).toBe(reports.length);
      }),
      { seed: 20261121, numRuns: 2_000 },
    );
  });

  it('come to the same however they are cut into batches', () => {
    fc.assert(
      fc.property(stories, ([status, drawn, cuts]) => {
        const reports = toReports(drawn);
        const whole = fold(orderIn(status), ...reports);
        let order = orderIn(status);
        const refused: string[] = [];
        const ends = [...cuts, reports.length]
          .map((cut) => Math.min(cut, reports.length))
          .sort((a, b) => a - b);
        for (const [index, end] of ends.entries()) {
          const part = fold(order, ...reports.slice(ends[index - 1] ?? 0, end));
          order = part.order;
          refused.push(...part.refused.map(({ report: { execId } }) => execId));
        }
        expect({ ...order, version: 0 }).toEqual({ ...whole.order, version: 0 });
        expect(refused).toEqual(whole.refused.map(({ report: { execId } }) => execId));
      }),
      { seed: 20261121, numRuns: 1_000 },
    );
  });

  it('move an order along its status machine only, and never out of its end', () => {
    fc.assert(
      fc.property(stories, ([status, drawn]) => {
        let order = orderIn(status);
        for (const each of toReports(drawn)) {
          const { order: after } = fold(order, each);
          if (after.status !== order.status)
            expect(exchangeOrderStatusMachine.isAllowed(order.status, after.status)).toBe(true);
          if (isFinal(order.status)) expect(after).toBe(order);
          expect(after.cumQuantity).toBeLessThanOrEqual(after.quantity);
          order = after;
        }
      }),
      { seed: 20261121, numRuns: 1_000 },
    );
  });
});

/** Writes down every single share with its price, and judges each report by rules of its own. */
class Clerk {
  readonly shares: number[] = [];
  readonly believed: string[] = [];
  status: ExchangeOrderStatus;

  constructor(private readonly order: ExchangeOrder) {
    this.status = order.status;
  }

  hear({ type, execId, quantity = 0, priceCents = 0 }: ExecutionReport): void {
    const isOpen = ['pending', 'created', 'partially_filled', 'cancel_pending'].includes(this.status);
    const filled = this.order.cumQuantity + this.shares.length;
    if (type === 'trade') {
      if (!isOpen || filled + quantity > this.order.quantity) return;
      for (let share = 0; share < quantity; share += 1) this.shares.push(priceCents);
      if (filled + quantity === this.order.quantity) this.status = 'filled';
      else if (this.status !== 'cancel_pending') this.status = 'partially_filled';
    } else if (type === 'new') {
      if (!isOpen && this.status !== 'rejected') return;
      if (this.status === 'pending') this.status = 'created';
    } else if (type === 'cancel_rejected') {
      if (this.status === 'cancel_pending') this.status = filled > 0 ? 'partially_filled' : 'created';
    } else {
      if (this.status !== type && !isOpen) return;
      if (type === 'rejected' && filled > 0 && this.status !== 'rejected') return;
      this.status = type;
    }
    this.believed.push(execId);
  }
}
