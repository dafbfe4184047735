import { ClientOrderIdTaken } from '../exchange-order.errors.js';

/** What an order is called by its customer. */
export interface NamedRequest {
  readonly customerId: string;
  readonly clientOrderId?: string | undefined;
}

/** Its name belongs to another request of the same batch, the one at `index`. */
export class NamedTwice {
  constructor(readonly index: number) {}
}

/** A customer and its own name for an order, as one key. Neither can contain a line feed. */
export function orderName(customerId: string, clientOrderId: string): string {
  return `${customerId}\n${clientOrderId}`;
}

/**
 * Decides which requests of a batch may have the names they ask for, in their order of arrival. Pure.
 * @param known the ids of the orders that names belong to already
 * @returns undefined for a request that nothing speaks against
 */
export function decideNames(
  requests: readonly NamedRequest[],
  known: ReadonlyMap<string, string>,
): (ClientOrderIdTaken | NamedTwice | undefined)[] {
  const taken = new Map<string, number>();
  return requests.map(({ customerId, clientOrderId }, index) => {
    if (clientOrderId === undefined) return undefined;
    const name = orderName(customerId, clientOrderId);
    const existing = known.get(name);
    if (existing !== undefined) return new ClientOrderIdTaken(clientOrderId, existing);
    const first = taken.get(name);
    if (first !== undefined) return new NamedTwice(first);
    taken.set(name, index);
    return undefined;
  });
}
