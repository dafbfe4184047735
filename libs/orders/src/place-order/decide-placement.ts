import {
  type AllocationStrategy,
  InsufficientStock,
  ProductInactive,
  type ProductStock,
  StockLedger,
} from '@daybook/inventory';
import { DomainError, type FieldError, ValidationFailed } from '@daybook/platform';

import type { OrderId, OrderLine } from '../order.entity.js';
import { DuplicateClientOrderId } from '../order.errors.js';

/** What one order asks for, as far as the decision depends on it. */
export interface PlacementRequest {
  readonly customerId: string;
  readonly clientOrderId?: string | undefined;
  readonly lines: readonly { readonly sku: string; readonly quantity: number }[];
}

/** What the requests are decided against, locked and read in the same transaction. */
export interface PlacementState {
  /** By SKU, with all their stock; a SKU that is missing is unknown. */
  readonly products: ReadonlyMap<string, ProductStock>;
  /** The orders that {@link clientOrderName}s belong to already. */
  readonly ordersByName: ReadonlyMap<string, OrderId>;
}

/** An order that can be placed: everything but its number and its time. */
export interface Placement {
  readonly currency: string;
  readonly totalCents: number;
  readonly lines: readonly OrderLine[];
}

/** Refused because another request of the same batch, at `index`, has the same customer and client order id. */
export class NamedTwice {
  constructor(readonly index: number) {}
}

export type PlacementDecision = Placement | DomainError | NamedTwice;

/** A customer and its own name for an order, as one key. Neither can contain a line feed. */
export function clientOrderName(customerId: string, clientOrderId: string): string {
  return `${customerId}\n${clientOrderId}`;
}

/**
 * Decides a batch of orders in their order of arrival: each sees the stock that those before it left. All or nothing
 * per order. Pure: no I/O, no clock, no randomness; the same arguments give the same decisions.
 */
export function decidePlacement(
  requests: readonly PlacementRequest[],
  { products, ordersByName }: PlacementState,
  strategy: AllocationStrategy,
): PlacementDecision[] {
  const ledger = new StockLedger(products.values());
  const acceptedByName = new Map<string, number>();
  return requests.map((request, index) => {
    const { customerId, clientOrderId, lines } = request;
    if (clientOrderId === undefined) return decideOne(lines, products, ledger, strategy);
    const name = clientOrderName(customerId, clientOrderId);
    const existing = ordersByName.get(name);
    if (existing !== undefined) return new DuplicateClientOrderId(clientOrderId, existing);
    const accepted = acceptedByName.get(name);
    if (accepted !== undefined) return new NamedTwice(accepted);
    const decision = decideOne(lines, products, ledger, strategy);
    if (!(decision instanceof DomainError)) acceptedByName.set(name, index);
    return decision;
  });
}

function decideOne(
  lines: PlacementRequest['lines'],
  products: ReadonlyMap<string, ProductStock>,
  ledger: StockLedger,
  strategy: AllocationStrategy,
): Placement | DomainError {
  const ordered: (ProductStock & { readonly quantity: number })[] = [];
  const unknown: FieldError[] = [];
  for (const [index, { sku, quantity }] of lines.entries()) {
    const product = products.get(sku);
    if (product === undefined)
      unknown.push({ path: `lines[${index}].sku`, message: `is no known product: ${sku}` });
    else ordered.push({ ...product, quantity });
  }
  if (unknown.length > 0) return new ValidationFailed(unknown);
  const unsellable = findUnsellable(ordered);
  if (unsellable !== undefined) return unsellable;
  const short = ledger.findShortLines(ordered);
  if (short.length > 0) return new InsufficientStock(short);
  const totalCents = ordered.reduce((sum, { priceCents, quantity }) => sum + priceCents * quantity, 0);
  if (!Number.isSafeInteger(totalCents)) {
    return new ValidationFailed([
      { path: 'lines', message: 'come to a total that is too large to be exact' },
    ]);
  }
  const allocations = strategy.allocate(ordered, ledger);
  return {
    currency: (ordered[0] as ProductStock).currency,
    totalCents,
    lines: ordered.map(({ productId, sku, name, quantity, priceCents }, index) => ({
      productId,
      sku,
      name,
      quantity,
      unitPriceCents: priceCents,
      allocations: allocations[index] ?? [],
    })),
  };
}

function findUnsellable(ordered: readonly ProductStock[]): DomainError | undefined {
  const inactive = ordered.find(({ active }) => !active);
  if (inactive !== undefined) return new ProductInactive(inactive.sku);
  const currency = ordered[0]?.currency;
  const foreign = ordered.findIndex((product) => product.currency !== currency);
  if (foreign === -1) return undefined;
  const message = `is priced in ${ordered[foreign]?.currency}, the order in ${currency}`;
  return new ValidationFailed([{ path: `lines[${foreign}].sku`, message }]);
}
