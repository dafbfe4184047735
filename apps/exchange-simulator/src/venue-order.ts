import { InvalidInput } from './behaviour.js';

/** What is placed. */
export interface OrderRequest {
  readonly clOrdId: string;
  readonly account: string;
  /** The account's own name for the order, which it may use once. */
  readonly clientOrderId?: string | undefined;
  readonly instrument: string;
  readonly side: 'buy' | 'sell';
  readonly type: 'market' | 'limit';
  readonly quantity: number;
  /** Of a limit order. */
  readonly limitPriceCents?: number | undefined;
}

export type VenueOrderStatus = 'new' | 'partially_filled' | 'filled' | 'cancelled' | 'rejected' | 'expired';

/** An order as the venue has it. */
export interface VenueOrder extends OrderRequest {
  status: VenueOrderStatus;
  reason?: string;
  /** What its placement was answered, and is answered again: a reason if it was refused. */
  readonly refusal?: string | undefined;
  cumQuantity: number;
  /** Quantity times price over all trades. */
  tradedCents: bigint;
  isCancelRequested: boolean;
}

export function isOpen({ status }: VenueOrder): boolean {
  return status === 'new' || status === 'partially_filled';
}

/** What a venue tells who asks for an order. */
export function describeOrder(order: VenueOrder): object {
  const { clOrdId, status, quantity, cumQuantity, tradedCents, reason } = order;
  const filled = BigInt(cumQuantity);
  return {
    clOrdId,
    status,
    quantity,
    cumQuantity,
    leavesQuantity: isOpen(order) ? quantity - cumQuantity : 0,
    avgPriceCents: cumQuantity === 0 ? null : Number((2n * tradedCents + filled) / (2n * filled)),
    tradedCents: String(tradedCents),
    ...(reason !== undefined && { reason }),
  };
}

/** Printable, and nothing that JSON would escape. */
export const isName = (value: unknown): value is string =>
  typeof value === 'string' && /^[\w.:@-]{1,128}$/.test(value);
const isText = (value: unknown) => typeof value === 'string' && value !== '' && value.length <= 256;
export const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) > 0;

/** @throws {InvalidInput} */
export function readOrderRequest(body: Readonly<Record<string, unknown>>): OrderRequest {
  const { clOrdId, account, clientOrderId, instrument, side, type, quantity, limitPriceCents } = body;
  const rules: readonly (readonly [isGood: boolean, problem: string])[] = [
    [isName(clOrdId), 'clOrdId must be of 1 to 128 letters, digits and _.:@-'],
    [isText(account), 'account must be a text'],
    [clientOrderId === undefined || isText(clientOrderId), 'clientOrderId must be a text'],
    [isText(instrument), 'instrument must be a text'],
    [side === 'buy' || side === 'sell', 'side must be buy or sell'],
    [type === 'market' || type === 'limit', 'type must be market or limit'],
    [isCount(quantity), 'quantity must be a whole number, 1 or more'],
    [
      type === 'limit' ? isCount(limitPriceCents) : limitPriceCents === undefined,
      'limitPriceCents must be a whole number, 1 or more, of a limit order, and of no other',
    ],
  ];
  const problems = rules.filter(([isGood]) => !isGood).map(([, problem]) => problem);
  if (problems.length > 0) throw new InvalidInput(problems);
  const order = { clOrdId, account, clientOrderId, instrument, side, type, quantity, limitPriceCents };
  return order as OrderRequest;
}
