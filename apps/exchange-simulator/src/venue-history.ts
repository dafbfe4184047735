import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

import type { SentReport } from './report-log.js';
import { isOpen, type OrderRequest, type VenueOrder } from './venue-order.js';

/** One thing that has happened, in this order. */
export type PastEvent =
  | {
      readonly placed: OrderRequest;
      readonly refusal?: string | undefined;
      /** It is traded by a flood only. */
      readonly isAdopted?: boolean;
    }
  | { readonly cancel: string }
  | { readonly report: SentReport };

/** What a venue was, put together again from what has happened. */
export interface VenuePast {
  readonly orders: Map<string, VenueOrder>;
  readonly adopted: Set<VenueOrder>;
  readonly reports: readonly SentReport[];
}

export function pastOf(events: readonly PastEvent[]): VenuePast {
  const past = { orders: new Map<string, VenueOrder>(), adopted: new Set<VenueOrder>(), reports: [] };
  const reports: SentReport[] = past.reports;
  const execIds = new Set<string>();
  for (const event of events) {
    if ('placed' in event) {
      const order = newOrder(event.placed, event.refusal);
      past.orders.set(order.clOrdId, order);
      if (event.isAdopted === true) past.adopted.add(order);
    } else if ('cancel' in event) {
      const order = past.orders.get(event.cancel);
      if (order !== undefined) order.isCancelRequested = true;
    } else {
      const order = past.orders.get(event.report.orderRef);
      // One that only repeats another has no effect, nor has one too many.
      if (order !== undefined && isOpen(order) && !execIds.has(event.report.execId))
        apply(event.report, order);
      execIds.add(event.report.execId);
      reports.push(event.report);
    }
  }
  return past;
}

export function newOrder(request: OrderRequest, refusal?: string): VenueOrder {
  return {
    ...request,
    status: refusal === undefined ? 'new' : 'rejected',
    refusal,
    ...(refusal !== undefined && { reason: refusal }),
    cumQuantity: 0,
    tradedCents: 0n,
    isCancelRequested: false,
  };
}

export function applyTrade(order: VenueOrder, quantity: number, priceCents: number): void {
  order.cumQuantity += quantity;
  order.tradedCents += BigInt(quantity) * BigInt(priceCents);
  order.status = order.cumQuantity === order.quantity ? 'filled' : 'partially_filled';
}

function apply({ type, quantity = 0, priceCents = 0, reason }: SentReport, order: VenueOrder): void {
  if (type === 'trade') applyTrade(order, quantity, priceCents);
  else if (type === 'cancelled' || type === 'rejected' || type === 'expired') {
    order.status = type;
    if (reason !== undefined) order.reason = reason;
  }
}

/** Keeps what happens in a file, a line each, written before anybody is told of it. */
export class HistoryFile {
  private readonly file: number;
  readonly past: VenuePast;

  /** @param path made when it is not there, with its folder */
  constructor(path: string) {
    mkdirSync(dirname(path), { recursive: true });
    this.file = openSync(path, 'a+');
    const text = readFileSync(this.file, 'utf8');
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    // What a process that was killed has left of its last line was told to nobody.
    if (whole !== text) ftruncateSync(this.file, Buffer.byteLength(whole));
    const lines = whole.split('\n').filter((line) => line !== '');
    this.past = pastOf(lines.map((line) => JSON.parse(line) as PastEvent));
  }

  note(event: PastEvent): void {
    writeSync(this.file, `${JSON.stringify(event)}\n`);
  }

  /** @param json a report as it is sent */
  noteReport(json: string): void {
    writeSync(this.file, `{"report":${json}}\n`);
  }

  close(): void {
    closeSync(this.file);
  }
}
