import {
  allocateLines,
  type Allocation,
  type AllocationStrategy,
  claim,
  findProducts,
  type ProductStock,
  type RequestedLine,
  type Reservation,
  StockLedger,
  type WantedProduct,
} from '@daybook/inventory';
import { DomainError, ValidationFailed } from '@daybook/platform';

import type { OrderId, OrderLine } from '../order.entity.js';
import { DuplicateClientOrderId } from '../order.errors.js';

/** What one order asks for, as far as the decision depends on it. */
export interface PlacementRequest {
  readonly customerId: string;
  readonly clientOrderId?: string | undefined;
  /** Empty when a reservation's lines become the order's. */
  readonly lines: readonly RequestedLine[];
  readonly reservationId?: string | undefined;
}

/** What the requests are decided against, locked and read in the same transaction. */
export interface PlacementState {
  /** By SKU, with all their stock; a SKU that is missing is unknown. */
  readonly products: ReadonlyMap<string, ProductStock>;
  /** The orders that {@link clientOrderName}s belong to already. */
  readonly ordersByName: ReadonlyMap<string, OrderId>;
  /** By id, locked; one that is missing is unknown. */
  readonly reservations: ReadonlyMap<string, Reservation>;
  /** Read after all of this was locked: decides between a customer and the deadline of a reservation. */
  readonly now: Date;
}

/** An order that can be placed: everything but its number and its time. */
export interface Placement {
  readonly currency: string;
  readonly totalCents: number;
  readonly lines: readonly OrderLine[];
  /** The reservation whose stock it takes over, as it was before. */
  readonly reservation?: Reservation;
}

/** Refused because another request of the same batch, at `index`, has the same customer and client order id. */
export class NamedTwice {
  constructor(readonly index: number) {}
}

/** Refused because another request of the same batch, at `index`, consumes the reservation. */
export class ConsumedTwice {
  constructor(readonly index: number) {}
}

export type PlacementDecision = Placement | DomainError | NamedTwice | ConsumedTwice;

/** Whether the decision is an order that can be placed. */
export function isPlacement(decision: PlacementDecision): decision is Placement {
  return !(
    decision instanceof DomainError ||
    decision instanceof NamedTwice ||
    decision instanceof ConsumedTwice
  );
}

/** A customer and its own name for an order, as one key. Neither can contain a line feed. */
export function clientOrderName(customerId: string, clientOrderId: string): string {
  return `${customerId}\n${clientOrderId}`;
}

/**
 * Decides a batch of orders in their order of arrival: each sees the stock that those before it left. All or nothing
 * per order. An order that consumes a reservation takes over what that holds, and no stock beside it. Pure: no I/O, no
 * clock, no randomness; the same arguments give the same decisions.
 */
export function decidePlacement(
  requests: readonly PlacementRequest[],
  state: PlacementState,
  strategy: AllocationStrategy,
): PlacementDecision[] {
  const ledger = new StockLedger(state.products.values());
  const acceptedByName = new Map<string, number>();
  const consumedBy = new Map<string, number>();
  return requests.map((request, index) => {
    const { customerId, clientOrderId } = request;
    const decide = () => {
      const decision = decideOne(request, state, consumedBy, ledger, strategy);
      if (isPlacement(decision) && decision.reservation) consumedBy.set(decision.reservation.id, index);
      return decision;
    };
    if (clientOrderId === undefined) return decide();
    const name = clientOrderName(customerId, clientOrderId);
    const existing = state.ordersByName.get(name);
    if (existing !== undefined) return new DuplicateClientOrderId(clientOrderId, existing);
    const accepted = acceptedByName.get(name);
    if (accepted !== undefined) return new NamedTwice(accepted);
    const decision = decide();
    if (isPlacement(decision)) acceptedByName.set(name, index);
    return decision;
  });
}

function decideOne(
  request: PlacementRequest,
  { products, reservations, now }: PlacementState,
  consumedBy: ReadonlyMap<string, number>,
  ledger: StockLedger,
  strategy: AllocationStrategy,
): Placement | DomainError | ConsumedTwice {
  const { reservationId, customerId } = request;
  if (reservationId === undefined) {
    const wanted = findProducts(request.lines, products);
    if (wanted instanceof DomainError) return wanted;
    return price(wanted, () => allocateLines(wanted, ledger, strategy));
  }
  const reservation = claim(reservations.get(reservationId), { reservationId, customerId }, now);
  if (reservation instanceof DomainError) return reservation;
  const consumer = consumedBy.get(reservationId);
  if (consumer !== undefined) return new ConsumedTwice(consumer);
  const wanted = findProducts(reservation.lines, products);
  if (wanted instanceof DomainError) return wanted;
  const placement = price(wanted, () => reservation.lines.map(({ allocations }) => allocations));
  return placement instanceof DomainError ? placement : { ...placement, reservation };
}

/** @param allocate called last, when nothing else can refuse the order any more */
function price(
  wanted: readonly WantedProduct[],
  allocate: () => readonly (readonly Allocation[])[] | DomainError,
): Placement | DomainError {
  const totalCents = wanted.reduce((sum, { priceCents, quantity }) => sum + priceCents * quantity, 0);
  if (!Number.isSafeInteger(totalCents)) {
    return new ValidationFailed([
      { path: 'lines', message: 'come to a total that is too large to be exact' },
    ]);
  }
  const allocations = allocate();
  if (allocations instanceof DomainError) return allocations;
  return {
    currency: (wanted[0] as WantedProduct).currency,
    totalCents,
    lines: wanted.map(({ productId, sku, name, quantity, priceCents }, index) => ({
      productId,
      sku,
      name,
      quantity,
      unitPriceCents: priceCents,
      allocations: allocations[index] ?? [],
    })),
  };
}
