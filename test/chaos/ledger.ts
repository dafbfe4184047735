import type { OrderStatus } from '@daybook/orders';

/** An order as it was answered, as far as the campaign looks at it. */
export interface AnsweredOrder {
  readonly id: string;
  readonly status: OrderStatus;
  readonly version: number;
}

/** What is known of one order that a client wanted, whatever happened to its requests. */
export interface Placement {
  /** Idempotency key and request id at once; every attempt has the same. */
  readonly key: string;
  /** The position of the client that sent it. */
  readonly client: number;
  readonly body: object;
  /** Whether the last word was an answer, and which. */
  state: PlacementState;
  /** An attempt was cut off or answered "unknown": until a later answer it may have been placed or not. */
  isInDoubt: boolean;
  /** The bytes of the first 201. */
  answer?: string;
  /** The order as it was answered last: 201, or 200 after a change. */
  latest?: string;
  order?: AnsweredOrder;
  /** A move that was cut off: the order may or may not have made it. */
  doubtfulMove?: { readonly from: OrderStatus; readonly to: OrderStatus; readonly version: number };
}

/**
 * - `placed`: answered 201
 * - `refused`: answered 409, it shall not exist
 * - `declined`: every answer was a 503 that said nothing was done
 * - `unanswered`: cut off before any answer
 */
export type PlacementState = 'placed' | 'refused' | 'declined' | 'unanswered';

/** Everything that the clients know: what the books are compared with. */
export class Ledger {
  readonly placements: Placement[] = [];
  /** Answers that should never have been given, in words. */
  readonly protests: string[] = [];
  private readonly byId = new Map<string, Placement>();

  open(key: string, client: number, body: object): Placement {
    const placement: Placement = { key, client, body, state: 'unanswered', isInDoubt: false };
    this.placements.push(placement);
    return placement;
  }

  /** Notes an answer 201, given for the first time or again. */
  place(placement: Placement, answer: string): void {
    if (placement.answer !== undefined && placement.answer !== answer) {
      this.protests.push(`${placement.key} was answered ${placement.answer}, and later ${answer}`);
      return;
    }
    const order = JSON.parse(answer) as AnsweredOrder;
    const twin = this.byId.get(order.id);
    if (twin !== undefined && twin !== placement) {
      this.protests.push(`order ${order.id} was given to ${twin.key} and to ${placement.key}`);
    }
    this.byId.set(order.id, placement);
    if (placement.answer !== undefined) return;
    Object.assign(placement, { state: 'placed', isInDoubt: false, answer, latest: answer, order });
  }
}
