import {
  type DomainError,
  isOperator,
  NotFound,
  type RequestContext,
  StateMachine,
  VersionConflict,
} from '@daybook/platform';

import type { Allocation } from './allocation/allocation-strategy.js';
import { ReservationNotActive } from './inventory.errors.js';

export const RESERVATION_STATUSES = ['active', 'consumed', 'released', 'expired'] as const;
export type ReservationStatus = (typeof RESERVATION_STATUSES)[number];

/** The life of a reservation: it ends once, and never comes back. */
export const reservationStatusMachine = new StateMachine<ReservationStatus>({
  name: 'reservation',
  initial: 'active',
  transitions: { active: ['consumed', 'released', 'expired'], consumed: [], released: [], expired: [] },
  final: ['consumed', 'released', 'expired'],
});

/** What is held of one product. */
export interface ReservationLine {
  readonly productId: number;
  readonly sku: string;
  readonly quantity: number;
  readonly allocations: readonly Allocation[];
}

/** Stock held for a customer until `expiresAt`, by the database clock. */
export interface Reservation {
  /** A UUID of version 7: its order is that of creation. */
  readonly id: string;
  readonly customerId: string;
  /** As stored. What is true at a moment, {@link asOf} tells. */
  readonly status: ReservationStatus;
  readonly lines: readonly ReservationLine[];
  readonly expiresAt: Date;
  /** The order that consumed it. */
  readonly orderId: string | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  /** 1 when made, one more with every change. */
  readonly version: number;
}

/** One warehouse's part of a reservation, over all lines of a product. */
export interface Hold {
  readonly productId: number;
  readonly warehouseId: number;
  readonly quantity: number;
}

/**
 * The reservation as it is at a moment. One that is overdue has expired at the very moment it was due, even if nobody
 * has written that down yet.
 */
export function asOf(now: Date, reservation: Reservation): Reservation {
  if (reservation.status !== 'active' || now < reservation.expiresAt) return reservation;
  return changed(reservation, reservation.expiresAt, { status: 'expired' });
}

/** The reservation after a change. */
export function changed(
  reservation: Reservation,
  updatedAt: Date,
  changes: Partial<Pick<Reservation, 'status' | 'expiresAt' | 'orderId'>>,
): Reservation {
  return { ...reservation, ...changes, updatedAt, version: reservation.version + 1 };
}

/** Who wants to use or change a reservation, and which version they have seen. */
export interface ReservationClaimant {
  readonly reservationId: string;
  /** Undefined: an operator, who may change every reservation. */
  readonly customerId?: string | undefined;
  readonly expectedVersion?: number | undefined;
}

/**
 * The reservation, if the claimant may end or extend it now; else the refusal.
 * @param now read after the stock was locked: the moment that decides between a customer and the deadline
 */
export function claim(
  reservation: Reservation | undefined,
  { reservationId, customerId, expectedVersion }: ReservationClaimant,
  now: Date,
): Reservation | DomainError {
  if (reservation === undefined || (customerId !== undefined && reservation.customerId !== customerId)) {
    return unknownReservation(reservationId);
  }
  const { status, version, orderId } = asOf(now, reservation);
  if (expectedVersion !== undefined && expectedVersion !== version) return new VersionConflict(version);
  return status === 'active' ? reservation : new ReservationNotActive(reservationId, status, orderId);
}

/** What every command that changes a reservation carries besides its input. */
export interface ReservationCommand {
  readonly reservationId: string;
  readonly context: RequestContext;
  readonly expectedVersion?: number | undefined;
}

/** Who a command claims a reservation for: a customer their own, an operator any. */
export function toClaimant(command: ReservationCommand): ReservationClaimant {
  const { reservationId, context, expectedVersion } = command;
  return { reservationId, customerId: isOperator(context) ? undefined : context.actor, expectedVersion };
}

/** The id as it is stored. @throws {NotFound} when it cannot be the id of a reservation */
export function toReservationId(text: string): string {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) throw unknownReservation(text);
  return text.toLowerCase();
}

/** What the reservation claims, a row per product and warehouse. */
export function holdsOf({ lines }: Reservation): Hold[] {
  const holds = new Map<string, Hold>();
  for (const { productId, allocations } of lines) {
    for (const { warehouseId, quantity } of allocations) {
      const level = `${productId}/${warehouseId}`;
      const sum = quantity + (holds.get(level)?.quantity ?? 0);
      holds.set(level, { productId, warehouseId, quantity: sum });
    }
  }
  return [...holds.values()];
}

/** What is said of a reservation that does not exist, and to a customer of another's. */
export function unknownReservation(reservationId: string): NotFound {
  return new NotFound(`There is no reservation ${reservationId}.`);
}
