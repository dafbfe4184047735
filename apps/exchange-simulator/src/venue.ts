import type { Behaviour } from './behaviour.js';
import { isMarketable, marketPrice, planFills, tradePrice } from './matching.js';
import { between, chance, type Random, randomFrom } from './random.js';
import type { NewReport, ReportLog } from './report-log.js';
import type { Timing } from './timing.js';
import { applyTrade, type HistoryFile, newOrder, recall } from './venue-history.js';
import { isOpen, type OrderRequest, type VenueOrder } from './venue-order.js';

/** What the venue is doing about an order. */
interface Progress {
  readonly random: Random;
  /** It waits for its price. */
  isResting: boolean;
  /** Takes back what is due next. */
  stop?: () => void;
}

export interface VenueParts {
  readonly behaviour: Behaviour;
  readonly seed: number;
  readonly log: ReportLog;
  readonly timing: Timing;
  /** Called after something was reported. */
  readonly onReport?: () => void;
  /** Where what happens is kept; the venue goes on from what is there. */
  readonly history?: HistoryFile | undefined;
}

/** The order book: takes orders, trades them little by little, and reports what it does. */
export class Venue {
  private readonly orders = new Map<string, VenueOrder>();
  private readonly named = new Map<string, VenueOrder>();
  private readonly progress = new Map<VenueOrder, Progress>();
  private readonly seed: number;
  private readonly log: ReportLog;
  private readonly timing: Timing;
  private current: Behaviour;
  private strangers = 0;

  constructor(private readonly parts: VenueParts) {
    ({ behaviour: this.current, seed: this.seed, log: this.log, timing: this.timing } = parts);
    if (parts.history !== undefined) this.goOn(parts.history);
  }

  get behaviour(): Behaviour {
    return this.current;
  }

  /** New prices may make resting orders marketable. */
  set behaviour(behaviour: Behaviour) {
    this.current = behaviour;
    for (const order of [...this.progress.keys()]) this.match(order);
  }

  find(clOrdId: string): VenueOrder | undefined {
    return this.orders.get(clOrdId);
  }

  /** In the order in which they came. */
  all(): readonly VenueOrder[] {
    return [...this.orders.values()];
  }

  /** Takes an order, or refuses it. One that has come before is left alone, and has the answer it had. */
  place(request: OrderRequest): VenueOrder {
    const known = this.orders.get(request.clOrdId);
    if (known !== undefined) return known;
    const random = randomFrom(this.seed, 'order', request.clOrdId);
    const refusal = this.refusalOf(request, random);
    const order = newOrder(request, refusal);
    this.orders.set(request.clOrdId, order);
    this.parts.history?.note({ placed: request, refusal });
    if (refusal !== undefined) return order;
    this.keepName(order);
    this.report(order, 'new');
    this.begin(order, random);
    return order;
  }

  /** What becomes of it is told by a report. @returns false for an order that nobody has placed */
  cancel(clOrdId: string): boolean {
    const order = this.orders.get(clOrdId);
    if (order === undefined) return false;
    if (order.isCancelRequested && isOpen(order)) return true;
    if (!isOpen(order)) {
      this.rejectCancel(order);
      return true;
    }
    order.isCancelRequested = true;
    this.parts.history?.note({ cancel: clOrdId });
    this.decideCancel(order);
    return true;
  }

  private decideCancel(order: VenueOrder): void {
    const { cancelDelayMinMs, cancelDelayMaxMs } = this.current;
    const random = randomFrom(this.seed, 'cancel', order.clOrdId);
    this.timing.after(between(random, cancelDelayMinMs, cancelDelayMaxMs), () => {
      if (isOpen(order)) this.end(order, 'cancelled');
      else this.rejectCancel(order);
    });
  }

  /**
   * Makes an order known that is not traded by itself but by {@link trade}.
   * @returns undefined when it is known and has been traded already
   */
  adopt(request: OrderRequest): VenueOrder | undefined {
    const known = this.orders.get(request.clOrdId);
    const order = known ?? newOrder(request);
    if (order.status !== 'new' || order.quantity !== request.quantity) return undefined;
    this.progress.get(order)?.stop?.();
    this.progress.delete(order);
    this.orders.set(order.clOrdId, order);
    return order;
  }

  acknowledge(order: VenueOrder): void {
    this.report(order, 'new');
  }

  /** One trade of an order, with whatever is reported wrongly about it. */
  trade(order: VenueOrder, quantity: number, priceCents: number, random: Random): void {
    applyTrade(order, quantity, priceCents);
    const sequence = this.append({ orderRef: order.clOrdId, type: 'trade', quantity, priceCents });
    const { repeatPercent, overfillPercent, unknownOrderPercent } = this.current;
    if (chance(random, repeatPercent)) this.note(this.log.repeat(sequence));
    if (order.status === 'filled') {
      this.forget(order);
      if (chance(random, overfillPercent))
        this.append({ orderRef: order.clOrdId, type: 'trade', quantity, priceCents });
    }
    if (chance(random, unknownOrderPercent)) {
      this.strangers += 1;
      this.append({ orderRef: `STRANGER-${this.strangers}`, type: 'trade', quantity, priceCents });
    }
    this.parts.onReport?.();
  }

  private refusalOf(request: OrderRequest, random: Random): string | undefined {
    const isRefused = chance(random, this.current.refusalPercent);
    if (request.clientOrderId !== undefined && this.named.has(nameOf(request)))
      return `The account has an order ${request.clientOrderId} already`;
    return isRefused ? `The instrument ${request.instrument} is not traded today` : undefined;
  }

  private keepName(order: VenueOrder): void {
    if (order.clientOrderId !== undefined) this.named.set(nameOf(order), order);
  }

  private begin(order: VenueOrder, random: Random): void {
    const isDoomed = chance(random, this.current.lateRefusalPercent);
    this.progress.set(order, { random, isResting: !isDoomed });
    if (isDoomed) this.next(order, () => this.end(order, 'rejected', 'The account has not the means'));
    else this.match(order);
  }

  /** Takes up what is not at its end yet. */
  private goOn(history: HistoryFile): void {
    for (const event of history.past()) {
      recall(event, this.orders);
      if ('report' in event) this.log.restore(event.report);
    }
    for (const order of this.orders.values()) {
      if (order.refusal === undefined) this.keepName(order);
      if (!isOpen(order)) continue;
      this.begin(order, randomFrom(this.seed, 'again', order.clOrdId, order.cumQuantity));
      if (order.isCancelRequested) this.decideCancel(order);
    }
  }

  private note(sequence: number): number {
    this.parts.history?.noteReport(this.log.json(sequence));
    return sequence;
  }

  /** Lets it trade if its price is there, else lets it rest. */
  private match(order: VenueOrder): void {
    const progress = this.progress.get(order);
    if (progress?.isResting !== true) return;
    progress.stop?.();
    delete progress.stop;
    if (isMarketable(order, this.priceOf(order))) {
      progress.isResting = false;
      this.fillNext(
        order,
        progress,
        planFills(order.quantity - order.cumQuantity, this.current, progress.random),
      );
    } else if (this.current.expireAfterMs > 0) {
      const expire = () => this.end(order, 'expired', 'Nobody has traded at its price');
      progress.stop = this.timing.after(this.current.expireAfterMs, expire);
    }
  }

  private priceOf({ instrument }: VenueOrder): number {
    return marketPrice(instrument, this.current, this.seed);
  }

  private fillNext(order: VenueOrder, { random }: Progress, fills: number[]): void {
    this.next(order, () => {
      const quantity = fills.shift() as number;
      this.trade(order, quantity, tradePrice(order, this.priceOf(order), random), random);
      const progress = this.progress.get(order);
      if (progress !== undefined) this.fillNext(order, progress, fills);
    });
  }

  /** Does something about an order at the pace of fills. */
  private next(order: VenueOrder, work: () => void): void {
    const progress = this.progress.get(order);
    if (progress === undefined) return;
    const { fillPaceMinMs, fillPaceMaxMs } = this.current;
    progress.stop = this.timing.after(between(progress.random, fillPaceMinMs, fillPaceMaxMs), work);
  }

  private end(order: VenueOrder, status: 'cancelled' | 'rejected' | 'expired', reason?: string): void {
    order.status = status;
    if (reason !== undefined) order.reason = reason;
    this.forget(order);
    this.report(order, status, reason);
  }

  private rejectCancel(order: VenueOrder): void {
    this.report(order, 'cancel_rejected', `Too late to cancel: the order is ${order.status}`);
  }

  /** There is nothing more to be done about it. */
  private forget(order: VenueOrder): void {
    this.progress.get(order)?.stop?.();
    this.progress.delete(order);
  }

  private report(order: VenueOrder, type: NewReport['type'], reason?: string): void {
    this.append({ orderRef: order.clOrdId, type, ...(reason !== undefined && { reason }) });
    this.parts.onReport?.();
  }

  private append(report: Omit<NewReport, 'executedAtMs'>): number {
    return this.note(this.log.append({ ...report, executedAtMs: this.timing.now() }));
  }
}

const nameOf = ({ account, clientOrderId }: OrderRequest) => `${account}\n${clientOrderId}`;
