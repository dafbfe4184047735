import { closeSync, ftruncateSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

import { eventNumber, type SentReport } from './report-log.js';
import { isOpen, type OrderRequest, type VenueOrder } from './venue-order.js';

const READ_AT_ONCE = 1024 * 1024;
const NEWLINE = 10;

/** One thing that has happened, in this order. */
export type PastEvent =
  | { readonly placed: OrderRequest; readonly refusal?: string | undefined }
  | { readonly cancel: string }
  | { readonly report: SentReport };

/** Puts an order together again from what has happened, one event after the other. */
export function recall(event: PastEvent, orders: Map<string, VenueOrder>): void {
  if ('placed' in event) {
    orders.set(event.placed.clOrdId, newOrder(event.placed, event.refusal));
  } else if ('cancel' in event) {
    const order = orders.get(event.cancel);
    if (order !== undefined) order.isCancelRequested = true;
  } else {
    const { report } = event;
    const order = orders.get(report.orderRef);
    // One that only repeats another has no effect, nor has one too many.
    if (order !== undefined && isOpen(order) && eventNumber(report.execId) === report.sequence)
      apply(report, order);
  }
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

  /** @param path made when it is not there, with its folder */
  constructor(path: string) {
    mkdirSync(dirname(path), { recursive: true });
    this.file = openSync(path, 'a+');
  }

  /** What has happened before. To be read to its end, once, before anything is noted. */
  *past(): Generator<PastEvent> {
    const chunk = Buffer.alloc(READ_AT_ONCE);
    let begun = Buffer.alloc(0);
    let length = 0;
    for (;;) {
      const count = readSync(this.file, chunk, 0, chunk.length, length);
      if (count === 0) break;
      length += count;
      // Only whole lines are made a text: a character may be of several bytes.
      const bytes = Buffer.concat([begun, chunk.subarray(0, count)]);
      const end = bytes.lastIndexOf(NEWLINE) + 1;
      begun = bytes.subarray(end);
      for (const line of bytes.toString('utf8', 0, end).split('\n'))
        if (line !== '') yield JSON.parse(line) as PastEvent;
    }
    // What a process that was killed has left of its last line was told to nobody.
    if (begun.length > 0) ftruncateSync(this.file, length - begun.length);
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
