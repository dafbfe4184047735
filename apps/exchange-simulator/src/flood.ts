import { InvalidInput } from './behaviour.js';
import { type Random, randomFrom } from './random.js';
import type { Timing } from './timing.js';
import type { Venue } from './venue.js';
import { isCount, isName, isOpen, type OrderRequest, type VenueOrder } from './venue-order.js';

/** Trades of many orders, at a set rate. */
export interface FloodRequest {
  readonly orders: readonly OrderRequest[];
  /** Every order is filled by so many trades of the same quantity, at `priceCents`, `priceCents` + 1, and so on. */
  readonly fillsPerOrder: number;
  readonly priceCents: number;
  /** All reports together. */
  readonly ratePerSecond: number;
  /** Orders are filled in groups of so many, each order of a group once in turn. */
  readonly concurrentOrders: number;
  /** Each order is first reported as `new`. */
  readonly isAcknowledged: boolean;
}

export interface FloodProgress {
  readonly orders: number;
  /** How many reports there will be, without those that the faults add. */
  readonly reports: number;
  readonly reported: number;
  readonly state: 'running' | 'done' | 'stopped';
  readonly seconds: number;
}

const TICK_MS = 5;
/** So that requests are answered in between, after a pause too. */
const MOST_PER_TICK = 5_000;

/** Reports trades as fast as it is told, by the clock: what a tick was late for, the next one makes up. */
export class Flood {
  private readonly steps: number;
  private readonly total: number;
  private readonly startedAt: number;
  private readonly random: Random;
  private reported = 0;
  private state: FloodProgress['state'] = 'running';
  private endedAt = 0;

  constructor(
    private readonly request: Omit<FloodRequest, 'orders'>,
    private readonly orders: readonly VenueOrder[],
    private readonly venue: Venue,
    private readonly timing: Timing,
    seed: number,
  ) {
    this.steps = request.fillsPerOrder + (request.isAcknowledged ? 1 : 0);
    this.total = orders.length * this.steps;
    this.startedAt = timing.now();
    this.random = randomFrom(seed, 'flood');
    this.tick();
  }

  get progress(): FloodProgress {
    const { orders, total: reports, reported, state } = this;
    const until = state === 'running' ? this.timing.now() : this.endedAt;
    return { orders: orders.length, reports, reported, state, seconds: (until - this.startedAt) / 1_000 };
  }

  stop(): void {
    if (this.state === 'running') this.end('stopped');
  }

  private tick(): void {
    if (this.state !== 'running') return;
    const elapsedMs = this.timing.now() - this.startedAt;
    const due = Math.floor((elapsedMs * this.request.ratePerSecond) / 1_000);
    const until = Math.min(this.total, due, this.reported + MOST_PER_TICK);
    while (this.reported < until) {
      this.report(this.reported);
      this.reported += 1;
    }
    if (this.reported === this.total) this.end('done');
    else this.timing.after(TICK_MS, () => this.tick());
  }

  private end(state: 'done' | 'stopped'): void {
    this.state = state;
    this.endedAt = this.timing.now();
  }

  /** The report at this place, of all of them. */
  private report(place: number): void {
    const { concurrentOrders, fillsPerOrder, priceCents, isAcknowledged } = this.request;
    const group = Math.floor(place / (concurrentOrders * this.steps));
    const first = group * concurrentOrders;
    const size = Math.min(concurrentOrders, this.orders.length - first);
    const within = place - first * this.steps;
    const order = this.orders[first + (within % size)] as VenueOrder;
    const step = Math.floor(within / size) - (isAcknowledged ? 1 : 0);
    // It may have been cancelled meanwhile.
    if (!isOpen(order)) return;
    if (step < 0) this.venue.acknowledge(order);
    else this.venue.trade(order, order.quantity / fillsPerOrder, priceCents + step, this.random);
  }
}

const BAD_ORDERS = 'orders must be a list of { clOrdId, quantity }, or { first, count, quantity }';
const FLOOD_DEFAULTS = { fillsPerOrder: 10, priceCents: 1_000, ratePerSecond: 1_000 };

/** @throws {InvalidInput} */
export function readFloodRequest(body: Readonly<Record<string, unknown>>): FloodRequest {
  const { fillsPerOrder, priceCents, ratePerSecond } = { ...FLOOD_DEFAULTS, ...body };
  const orders = readOrders(body['orders']);
  const { concurrentOrders = Math.max(1, orders.length), acknowledge = false } = body;
  const rules: readonly (readonly [isGood: boolean, problem: string])[] = [
    [orders.length > 0, BAD_ORDERS],
    [new Set(orders.map(({ clOrdId }) => clOrdId)).size === orders.length, 'each order must come once'],
    [isCount(fillsPerOrder), 'fillsPerOrder must be a whole number, 1 or more'],
    [isCount(priceCents), 'priceCents must be a whole number, 1 or more'],
    [isCount(ratePerSecond), 'ratePerSecond must be a whole number, 1 or more'],
    [isCount(concurrentOrders), 'concurrentOrders must be a whole number, 1 or more'],
    [typeof acknowledge === 'boolean', 'acknowledge must be true or false'],
    [
      orders.every(({ quantity }) => isCount(quantity) && quantity % fillsPerOrder === 0),
      'each quantity must be a multiple of fillsPerOrder',
    ],
  ];
  const problems = rules.filter(([isGood]) => !isGood).map(([, problem]) => problem);
  if (problems.length > 0) throw new InvalidInput(problems);
  return {
    orders,
    fillsPerOrder,
    priceCents,
    ratePerSecond,
    concurrentOrders: concurrentOrders as number,
    isAcknowledged: acknowledge === true,
  };
}

function readOrders(orders: unknown): OrderRequest[] {
  if (Array.isArray(orders)) {
    const wanted = orders as readonly ({ clOrdId?: unknown; quantity?: unknown } | null)[];
    return wanted.flatMap((order) => {
      const { clOrdId, quantity } = order ?? {};
      if (!isName(clOrdId) || !isCount(quantity)) throw new InvalidInput([BAD_ORDERS]);
      return floodOrder(clOrdId, quantity);
    });
  }
  const { first, count, quantity } = (orders ?? {}) as Record<string, unknown>;
  const name = isName(first) ? /^(?<prefix>.*?)(?<digits>\d+)$/.exec(first)?.groups : undefined;
  if (name === undefined || !isCount(count) || !isCount(quantity)) return [];
  const { prefix = '', digits = '' } = name;
  return Array.from({ length: count }, (_, index) =>
    floodOrder(prefix + String(Number(digits) + index).padStart(digits.length, '0'), quantity),
  );
}

/** What an order has to be known by; the rest is made up. */
function floodOrder(clOrdId: string, quantity: number): OrderRequest {
  return { clOrdId, quantity, account: 'flood', instrument: 'DE0007164600', side: 'buy', type: 'market' };
}
