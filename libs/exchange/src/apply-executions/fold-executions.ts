import type { ExchangeOrder } from '../exchange-order.entity.js';
import { type ExchangeOrderStatus, exchangeOrderStatusMachine, isFinal } from '../exchange-order-status.js';
import type { ExecutionReport } from '../execution-report.js';
import { reasonOf } from './examine-report.js';

/** What reports change of an order. */
type Filling = Pick<ExchangeOrder, 'status' | 'reason' | 'cumQuantity' | 'tradedCents'>;

export interface Fold {
  /** As the order is behind them; the very one that was given when they change nothing of it. */
  readonly order: ExchangeOrder;
  /** Those that hold, in order. */
  readonly recorded: readonly ExecutionReport[];
  /** Those that cannot be true, each with what contradicts it. */
  readonly refused: readonly RefusedReport[];
}

export interface RefusedReport {
  readonly report: ExecutionReport;
  readonly reason: string;
}

/**
 * Applies reports to their order, one after the other. None of them has been applied before, and each is well-formed.
 * A report that the order contradicts is refused and changes nothing; those behind it are judged as if it had not come.
 * @param reports in the order of their sequence
 * @param now when they are applied
 */
export function foldExecutions(order: ExchangeOrder, reports: readonly ExecutionReport[], now: Date): Fold {
  const recorded: ExecutionReport[] = [];
  const refused: RefusedReport[] = [];
  let filling: Filling = order;
  for (const report of reports) {
    const next = apply(filling, report, order);
    if (typeof next === 'string') refused.push({ report, reason: next });
    else {
      recorded.push(report);
      filling = next;
    }
  }
  return { order: isSame(filling, order) ? order : changed(order, filling, now), recorded, refused };
}

function isSame(one: Filling, other: Filling): boolean {
  return one.status === other.status && one.cumQuantity === other.cumQuantity && one.reason === other.reason;
}

function changed(order: ExchangeOrder, filling: Filling, now: Date): ExchangeOrder {
  const { status, reason, cumQuantity, tradedCents } = filling;
  return { ...order, status, reason, cumQuantity, tradedCents, updatedAt: now, version: order.version + 1 };
}

/** The filling behind the report, or why it cannot be true. */
function apply(filling: Filling, report: ExecutionReport, { quantity }: ExchangeOrder): Filling | string {
  switch (report.type) {
    case 'trade':
      return trade(filling, report, quantity);
    case 'new':
      if (filling.status === 'pending') return moved(filling, 'created');
      // Whoever asked the venue has heard how it ended before the stream has told how it began.
      if (filling.status === 'rejected') return filling;
      // Else it is known already, by the answer to the placement or by a fill.
      return unlessEnded(filling, report);
    case 'cancel_rejected':
      // A fill that has won against the wish to cancel: then this is only its other half.
      if (filling.status !== 'cancel_pending') return filling;
      return moved(filling, filling.cumQuantity > 0 ? 'partially_filled' : 'created', report);
    case 'cancelled':
    case 'expired':
    case 'rejected':
      // The venue's answer may have told it first.
      if (filling.status === report.type) return filling;
      if (report.type === 'rejected' && filling.cumQuantity > 0) return 'rejected although it has fills';
      return unlessImpossible(filling, report.type, report);
  }
}

function trade(filling: Filling, report: ExecutionReport, ordered: number): Filling | string {
  const { quantity = 0, priceCents = 0 } = report;
  const { status } = filling;
  const cumQuantity = filling.cumQuantity + quantity;
  if (cumQuantity > ordered) return `over-filled: ${cumQuantity} of ${ordered}`;
  if (isFinal(status)) return endedBefore(filling, report);
  const open = status === 'cancel_pending' ? status : 'partially_filled';
  const tradedCents = filling.tradedCents + BigInt(quantity) * BigInt(priceCents);
  return {
    status: cumQuantity === ordered ? 'filled' : open,
    reason: filling.reason,
    cumQuantity,
    tradedCents,
  };
}

function unlessEnded(filling: Filling, report: ExecutionReport): Filling | string {
  return isFinal(filling.status) ? endedBefore(filling, report) : filling;
}

function unlessImpossible(
  filling: Filling,
  to: ExchangeOrderStatus,
  report: ExecutionReport,
): Filling | string {
  return exchangeOrderStatusMachine.allowed(filling.status).includes(to)
    ? moved(filling, to, report)
    : endedBefore(filling, report);
}

function endedBefore({ status }: Filling, { type }: ExecutionReport): string {
  return `${type} although it is ${status}`;
}

function moved(filling: Filling, status: ExchangeOrderStatus, report?: ExecutionReport): Filling {
  return { ...filling, status, reason: report === undefined ? filling.reason : reasonOf(report) };
}
