import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import { businessNow, systemContext, together } from '@daybook/platform';

import { type ExchangeOrder, storedId, toStoredId } from '../exchange-order.entity.js';
import { ExchangeOrderExecuted } from '../exchange-order.events.js';
import { ExchangeOrdersRepository } from '../exchange-orders.repository.js';
import type { ExecutionReport } from '../execution-report.js';
import { examineReport } from './examine-report.js';
import { ExecutionRows, type OrderReport } from './execution-rows.js';
import { foldExecutions, type RefusedReport } from './fold-executions.js';

/** How many reports came to what. */
export interface AppliedCounts {
  readonly recorded: number;
  readonly duplicates: number;
  readonly parked: number;
  readonly quarantined: number;
}

export interface AppliedReports {
  readonly counts: AppliedCounts;
  readonly events: readonly ExchangeOrderExecuted[];
  /** Statements that were issued and not waited for. */
  readonly underWay: Promise<void>;
}

/** Whoever stops in the middle of a transaction, with orders locked, is not waited for longer than this. */
export const PAUSE_AT_MOST = `SET LOCAL idle_in_transaction_session_timeout = '4s'`;

/**
 * Applies reports to the orders they are of, inside a transaction: each once, in sequence, behind those that were parked for
 * the same order. An order that any of them changes gets one new version.
 */
@Injectable()
export class ApplyToOrders {
  constructor(
    private readonly orders: ExchangeOrdersRepository,
    private readonly rows: ExecutionRows,
  ) {}

  /** @param requestId what the journal calls it */
  apply(
    venue: string,
    reports: readonly ExecutionReport[],
    requestId: string,
    manager: EntityManager,
  ): Promise<AppliedReports> {
    return this.applySorted(venue, sortByOrder(reports), requestId, manager);
  }

  /** Applies what is parked for these orders, as far as there are such orders. */
  applyParked(
    venue: string,
    orderIds: readonly string[],
    requestId: string,
    manager: EntityManager,
  ): Promise<AppliedReports> {
    return this.applySorted(venue, { orderIds, reports: [], refused: [] }, requestId, manager);
  }

  /** Puts what is parked for this order aside for a person instead. */
  async refuseParked(
    venue: string,
    orderId: string,
    reason: string,
    manager: EntityManager,
  ): Promise<AppliedReports> {
    const { known } = await this.lock(venue, [orderId], manager);
    const refused = known.early.map(({ report }) => ({ report, reason }));
    return this.refuse(venue, refused, manager);
  }

  /** Puts reports aside for a person. */
  async refuse(
    venue: string,
    refused: readonly RefusedReport[],
    manager: EntityManager,
  ): Promise<AppliedReports> {
    const quarantined = await this.rows.quarantine(venue, refused, manager);
    const counts = { recorded: 0, duplicates: refused.length - quarantined, parked: 0, quarantined };
    return { counts, events: [], underWay: Promise.resolve() };
  }

  private async applySorted(
    venue: string,
    sorted: SortedReports,
    requestId: string,
    manager: EntityManager,
  ): Promise<AppliedReports> {
    const { known, now } = await this.lock(venue, sorted.orderIds, manager);
    const parked: OrderReport[] = [];
    const candidates: OrderReport[] = [...known.early];
    for (const report of sorted.reports)
      (known.orders.has(report.orderId) ? candidates : parked).push(report);
    const fresh = await this.rows.record(candidates, manager);
    const folded = foldAll(known.orders, fresh, now);
    const refused = [...sorted.refused, ...folded.refused.map(({ refusal }) => refusal)];
    // Waited for only when there are any: which of them are new has to be counted.
    const parkedNow = await this.rows.park(venue, parked, manager);
    const quarantinedNow = await this.rows.quarantine(venue, refused, manager);
    const underWay = together(
      this.rows.withdraw(
        folded.refused.map(({ orderId, refusal: { report } }) => ({ orderId, report })),
        manager,
      ),
      this.orders.update(
        folded.changes.map(({ before, after }) => ({ order: after, previousVersion: before.version })),
        manager,
      ),
    );
    const origin = systemContext(requestId);
    return {
      counts: {
        recorded: fresh.length - folded.refused.length,
        duplicates:
          candidates.length - fresh.length + parked.length - parkedNow + refused.length - quarantinedNow,
        parked: parkedNow,
        quarantined: quarantinedNow,
      },
      events: folded.changes.map(
        ({ before, after, execIds }) => new ExchangeOrderExecuted(before, after, execIds, origin),
      ),
      underWay,
    };
  }

  /** The orders that there are, locked, by their stored ids, and what was parked for them. */
  private async lock(venue: string, orderIds: readonly string[], manager: EntityManager) {
    const bounded = manager.query(PAUSE_AT_MOST);
    const locking = this.orders.lock(orderIds, manager);
    // Behind the locks: from here on nobody parks or applies anything of these orders.
    const finding = this.rows.findParked(venue, orderIds, manager);
    const telling = businessNow(manager);
    await together(bounded, locking, finding, telling);
    const orders = new Map<string, ExchangeOrder>();
    for (const order of (await locking).values()) orders.set(storedId(order.id), order);
    const awaited = [...(await finding)].filter((orderId) => orders.has(orderId));
    return { known: { orders, early: await this.rows.unpark(venue, awaited, manager) }, now: await telling };
  }
}

interface SortedReports {
  readonly orderIds: readonly string[];
  readonly reports: readonly OrderReport[];
  readonly refused: readonly RefusedReport[];
}

function sortByOrder(reports: readonly ExecutionReport[]): SortedReports {
  const orderIds = new Map<string, string | undefined>();
  const sorted: OrderReport[] = [];
  const refused: RefusedReport[] = [];
  for (const report of reports) {
    const reason = examineReport(report);
    if (reason !== undefined) {
      refused.push({ report, reason });
      continue;
    }
    let orderId = orderIds.get(report.orderRef);
    if (orderId === undefined) {
      orderId = typeof report.orderRef === 'string' ? toStoredId(report.orderRef) : undefined;
      if (orderId !== undefined) orderIds.set(report.orderRef, orderId);
    }
    if (orderId === undefined) refused.push({ report, reason: 'no order can have this ClOrdID' });
    else sorted.push({ orderId, report });
  }
  return { orderIds: [...orderIds.values()] as string[], reports: sorted, refused };
}

interface FoldedOrders {
  readonly changes: readonly {
    readonly before: ExchangeOrder;
    readonly after: ExchangeOrder;
    readonly execIds: readonly string[];
  }[];
  readonly refused: readonly { readonly orderId: string; readonly refusal: RefusedReport }[];
}

function foldAll(
  orders: ReadonlyMap<string, ExchangeOrder>,
  reports: readonly OrderReport[],
  now: Date,
): FoldedOrders {
  const byOrder = new Map<string, ExecutionReport[]>();
  for (const { orderId, report } of reports) {
    const theirs = byOrder.get(orderId);
    if (theirs === undefined) byOrder.set(orderId, [report]);
    else theirs.push(report);
  }
  const changes: FoldedOrders['changes'][number][] = [];
  const refused: FoldedOrders['refused'][number][] = [];
  for (const [orderId, theirs] of byOrder) {
    const before = orders.get(orderId) as ExchangeOrder;
    const fold = foldExecutions(before, theirs, now);
    for (const refusal of fold.refused) refused.push({ orderId, refusal });
    if (fold.order !== before)
      changes.push({ before, after: fold.order, execIds: fold.recorded.map(({ execId }) => execId) });
  }
  return { changes, refused };
}
