import type { OrderStatus } from '@daybook/orders';

import { type AllocatedLine, isDue, type Line, Shelves } from './shelves.js';

/** Who asks: two customers, and an operator who may do everything. */
export const ACTORS = ['alice', 'bob', 'operator'] as const;
export type Actor = (typeof ACTORS)[number];

/** What an answer must be: its status, and what its body must have at least. */
export interface Prediction {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface ModelReservation {
  readonly id: string;
  readonly customerId: string;
  readonly lines: readonly AllocatedLine[];
  readonly createdAt: number;
  status: 'active' | 'consumed' | 'released' | 'expired';
  dueAt: number;
  orderId: string | null;
  updatedAt: number;
  version: number;
}

export interface ModelOrder {
  readonly id: string;
  readonly customerId: string;
  readonly reservationId: string | null;
  readonly placedAt: number;
  lines: readonly AllocatedLine[];
  status: OrderStatus;
  updatedAt: number;
  version: number;
}

// Written down once more: the model must not learn from the product what is allowed.
export const EDGES: Readonly<Record<OrderStatus, readonly OrderStatus[]>> = {
  pending: ['processing', 'cancelled'],
  processing: ['confirmed', 'failed', 'pending'],
  confirmed: ['shipped', 'cancelled'],
  shipped: ['delivered'],
  delivered: [],
  cancelled: [],
  failed: ['pending'],
};
export const STATUSES = Object.keys(EDGES) as OrderStatus[];

/**
 * A Daybook in memory: tells of every request how it must be answered, and how things stand afterwards. One request
 * after the other, at a time that stands still until it is moved.
 */
export class Oracle {
  readonly shelves: Shelves;
  readonly reservations: ModelReservation[] = [];
  readonly orders: ModelOrder[] = [];

  constructor(
    private readonly prices: Readonly<Record<string, number>>,
    public now: number,
  ) {
    this.shelves = new Shelves(Object.keys(prices));
  }

  /** @param id the id that it was given, if it was */
  reserve(actor: Actor, lines: readonly Line[], ttlSeconds: number, id: string): Prediction {
    const { now } = this;
    const decision = this.shelves.allocate(lines, now);
    if ('short' in decision) return refusal(409, 'insufficient_stock', { lines: decision.short });
    const reservation: ModelReservation = {
      id,
      customerId: subjectOf(actor),
      lines: decision.allocated,
      createdAt: now,
      status: 'active',
      dueAt: now + ttlSeconds * 1000,
      orderId: null,
      updatedAt: now,
      version: 1,
    };
    this.reservations.push(reservation);
    this.shelves.claim(id, reservation.lines, reservation.dueAt);
    return { status: 201, body: this.show(reservation) };
  }

  extend(actor: Actor, reservation: ModelReservation, ttlSeconds: number): Prediction {
    const refused = this.refuseClaim(actor, reservation);
    if (refused !== undefined) return refused;
    reservation.dueAt = Math.max(reservation.dueAt, this.now + ttlSeconds * 1000);
    this.touch(reservation);
    this.shelves.extend(reservation.id, reservation.dueAt);
    return { status: 200, body: this.show(reservation) };
  }

  release(actor: Actor, reservation: ModelReservation): Prediction {
    const refused = this.refuseClaim(actor, reservation);
    if (refused !== undefined) return refused;
    reservation.status = 'released';
    this.touch(reservation);
    this.shelves.free(reservation.id);
    return { status: 200, body: this.show(reservation) };
  }

  /** @returns how many are written down as expired: all that are overdue and were due by then */
  expire(dueBy: number): number {
    const due = this.overdue().filter(({ dueAt }) => dueAt <= dueBy);
    for (const reservation of due) {
      reservation.status = 'expired';
      reservation.updatedAt = reservation.dueAt;
      reservation.version += 1;
      this.shelves.free(reservation.id);
    }
    return due.length;
  }

  overdue(): ModelReservation[] {
    return this.reservations.filter(({ status, dueAt }) => status === 'active' && isDue(dueAt, this.now));
  }

  order(actor: Actor, lines: readonly Line[], id: string): Prediction {
    const decision = this.shelves.allocate(lines, this.now);
    if ('short' in decision) return refusal(409, 'insufficient_stock', { lines: decision.short });
    return this.place(subjectOf(actor), decision.allocated, id, null);
  }

  orderReserved(actor: Actor, reservation: ModelReservation, id: string): Prediction {
    const refused = this.refuseClaim(actor, reservation);
    if (refused !== undefined) return refused;
    reservation.status = 'consumed';
    reservation.orderId = id;
    this.touch(reservation);
    this.shelves.free(reservation.id);
    return this.place(reservation.customerId, reservation.lines, id, reservation.id);
  }

  move(actor: Actor, order: ModelOrder, to: OrderStatus): Prediction {
    const { status: from } = order;
    const allowed: readonly OrderStatus[] = EDGES[from];
    if (actor !== 'operator') {
      if (order.customerId !== actor) return refusal(404, 'not_found');
      if (to !== 'cancelled') return refusal(403, 'forbidden');
    }
    if (!allowed.includes(to)) return refusal(409, 'illegal_transition', { from, to, allowed });
    if (from === 'failed') {
      const decision = this.shelves.allocate(order.lines, this.now);
      if ('short' in decision) return refusal(409, 'insufficient_stock', { lines: decision.short });
      order.lines = decision.allocated;
      this.shelves.claim(order.id, order.lines);
    }
    if (to === 'shipped') {
      for (const { sku, warehouse, quantity } of this.claimsOf(order.id)) {
        this.shelves.change(sku, warehouse, -quantity);
      }
    }
    if (to === 'shipped' || to === 'cancelled' || to === 'failed') this.shelves.free(order.id);
    order.status = to;
    this.touch(order);
    return { status: 200, body: this.showOrder(order) };
  }

  /** A refused one leaves everything as it is, even the holds that are overdue. */
  adjust(sku: string, warehouse: string, quantityDelta: number): Prediction {
    const { shelves, now } = this;
    const before = shelves.figures(sku, warehouse, now);
    if (before.available + quantityDelta < 0) {
      const short = { sku, requested: -quantityDelta, available: before.available };
      return refusal(409, 'insufficient_stock', { lines: [short] });
    }
    shelves.endOverdue(now, (claim) => claim.sku === sku && claim.warehouse === warehouse);
    shelves.change(sku, warehouse, quantityDelta);
    const body = { sku, quantityDelta, ...shelves.figures(sku, warehouse, now), occurredAt: iso(now) };
    return { status: 201, body };
  }

  /** A reservation as a client sees it: an overdue one has expired, whether or not that is written down. */
  show(reservation: ModelReservation): Readonly<Record<string, unknown>> {
    const { id, customerId, lines, createdAt, dueAt, orderId } = reservation;
    const isOverdue = reservation.status === 'active' && isDue(dueAt, this.now);
    return {
      id,
      customerId,
      lines,
      orderId,
      createdAt: iso(createdAt),
      expiresAt: iso(dueAt),
      status: isOverdue ? 'expired' : reservation.status,
      updatedAt: iso(isOverdue ? dueAt : reservation.updatedAt),
      version: reservation.version + Number(isOverdue),
    };
  }

  claimsOf(owner: string) {
    return this.shelves.claims.filter((claim) => claim.owner === owner);
  }

  private place(
    customerId: string,
    lines: readonly AllocatedLine[],
    id: string,
    reservationId: string | null,
  ): Prediction {
    const { now } = this;
    const order: ModelOrder = {
      id,
      customerId,
      reservationId,
      placedAt: now,
      lines,
      status: 'pending',
      updatedAt: now,
      version: 1,
    };
    this.orders.push(order);
    this.shelves.claim(id, lines);
    return { status: 201, body: this.showOrder(order) };
  }

  private showOrder(order: ModelOrder): Readonly<Record<string, unknown>> {
    const { id, customerId, reservationId, status, version, placedAt, updatedAt } = order;
    const lines = order.lines.map((line) => {
      const unitPriceCents = this.prices[line.sku] as number;
      return { ...line, unitPriceCents, lineTotalCents: unitPriceCents * line.quantity };
    });
    const totalCents = lines.reduce((total, { lineTotalCents }) => total + lineTotalCents, 0);
    const times = { placedAt: iso(placedAt), updatedAt: iso(updatedAt) };
    return { id, customerId, reservationId, status, version, totalCents, lines, ...times };
  }

  private refuseClaim(actor: Actor, reservation: ModelReservation): Prediction | undefined {
    if (actor !== 'operator' && reservation.customerId !== actor) return refusal(404, 'not_found');
    const { status, orderId, id } = this.show(reservation);
    if (status === 'active') return undefined;
    return refusal(409, 'reservation_not_active', { reservationId: id, reservationStatus: status, orderId });
  }

  private touch(changed: { updatedAt: number; version: number }): void {
    changed.updatedAt = this.now;
    changed.version += 1;
  }
}

export function iso(ms: number): string {
  return new Date(ms).toISOString();
}

function subjectOf(actor: Actor): string {
  return actor === 'operator' ? 'operator-1' : actor;
}

function refusal(status: number, code: string, details: object = {}): Prediction {
  return { status, body: { status, code, ...details } };
}
