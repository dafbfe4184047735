import type { ReservationStatus } from '@daybook/inventory';
import type { OrderStatus } from '@daybook/orders';

/** An order as it was answered, as far as the campaign looks at it. */
export interface AnsweredOrder {
  readonly id: string;
  readonly status: OrderStatus;
  readonly version: number;
}

/** A reservation as it was answered, or found after a crash. */
export interface AnsweredReservation {
  readonly id: string;
  readonly status: ReservationStatus;
  readonly version: number;
  readonly expiresAt: string;
  readonly orderId: string | null;
}

/** What is known of one thing that a client wanted, whatever happened to its requests. */
interface Wish {
  /** Idempotency key and request id at once; every attempt has the same. */
  readonly key: string;
  /** The position of the client that sent it. */
  readonly client: number;
  readonly body: object;
  /** Whether the last word was an answer, and which. */
  state: WishState;
  /** An attempt was cut off or answered "unknown": until a later answer it may have been made or not. */
  isInDoubt: boolean;
  /** The bytes of the first 201. */
  answer?: string;
}

/** An order that a client wanted. */
export interface Placement extends Wish {
  readonly path: '/orders';
  /** Whose stock it takes over. */
  readonly booking: Booking | undefined;
  /** The order as it was answered last: 201, or 200 after a change. */
  latest?: string;
  order?: AnsweredOrder;
  /** A move that was cut off: the order may or may not have made it. */
  doubtfulMove?: { readonly from: OrderStatus; readonly to: OrderStatus; readonly version: number };
}

/** A reservation that a client wanted. */
export interface Booking extends Wish {
  readonly path: '/reservations';
  reservation?: AnsweredReservation;
  /** A change that was cut off. */
  doubtfulChange?: 'extend' | 'release';
  /** The one order that was ever asked for with it: nothing is asked of a reservation after that. */
  placement?: Placement;
  /** Somebody was told that it has expired. */
  isToldExpired?: boolean;
}

/**
 * - `made`: answered 201
 * - `refused`: answered 409, it shall not exist
 * - `declined`: every answer was a 503 that said nothing was done
 * - `unanswered`: cut off before any answer
 */
export type WishState = 'made' | 'refused' | 'declined' | 'unanswered';

/** Everything that the clients know: what the books are compared with. */
export class Ledger {
  readonly placements: Placement[] = [];
  readonly bookings: Booking[] = [];
  /** Answers that should never have been given, in words. */
  readonly protests: string[] = [];
  private readonly byId = new Map<string, Wish>();

  /** @param booking the reservation that becomes this order */
  order(key: string, client: number, body: object, booking?: Booking): Placement {
    const placement: Placement = { path: '/orders', ...newWish(key, client, body), booking };
    if (booking !== undefined) booking.placement = placement;
    this.placements.push(placement);
    return placement;
  }

  reserve(key: string, client: number, body: object): Booking {
    const booking: Booking = { path: '/reservations', ...newWish(key, client, body) };
    this.bookings.push(booking);
    return booking;
  }

  /** Notes an answer 201, given for the first time or again. */
  make(wish: Placement | Booking, answer: string): void {
    if (wish.answer !== undefined && wish.answer !== answer) {
      this.protests.push(`${wish.key} was answered ${wish.answer}, and later ${answer}`);
      return;
    }
    const made = JSON.parse(answer) as AnsweredOrder | AnsweredReservation;
    const twin = this.byId.get(made.id);
    if (twin !== undefined && twin !== wish) {
      this.protests.push(`${made.id} was given to ${twin.key} and to ${wish.key}`);
    }
    this.byId.set(made.id, wish);
    if (wish.answer !== undefined) return;
    Object.assign(wish, { state: 'made', isInDoubt: false, answer });
    Object.assign(wish, wish.path === '/orders' ? { order: made, latest: answer } : { reservation: made });
  }
}

function newWish(key: string, client: number, body: object): Wish {
  return { key, client, body, state: 'unanswered', isInDoubt: false };
}
