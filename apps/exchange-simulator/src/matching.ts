import type { Behaviour } from './behaviour.js';
import { between, type Random, randomFrom } from './random.js';
import type { OrderRequest } from './venue-order.js';

/** The price of an instrument: as it was set, or made up from the seed, between 10.00 and 500.00. */
export function marketPrice(instrument: string, { prices }: Behaviour, seed: number): number {
  return prices[instrument] ?? between(randomFrom(seed, 'price', instrument), 1_000, 50_000);
}

/** Whether an order trades at this price. */
export function isMarketable({ type, side, limitPriceCents = 0 }: OrderRequest, price: number): boolean {
  if (type === 'market') return true;
  return side === 'buy' ? limitPriceCents >= price : limitPriceCents <= price;
}

/** A few cents to the disadvantage of the order, never beyond its limit. */
export function tradePrice({ side, limitPriceCents }: OrderRequest, price: number, random: Random): number {
  const slip = between(random, 0, 9);
  if (side === 'buy') return Math.min(price + slip, limitPriceCents ?? Infinity);
  return Math.max(price - slip, limitPriceCents ?? 1);
}

/** Splits a quantity into whole parts, none of them empty. */
export function planFills(quantity: number, behaviour: Behaviour, random: Random): number[] {
  const parts = Math.min(quantity, between(random, behaviour.fillsMin, behaviour.fillsMax));
  let left = quantity;
  return Array.from({ length: parts }, (_, index) => {
    const after = parts - index - 1;
    const fair = Math.ceil((left / (after + 1)) * 2) - 1;
    const part = after === 0 ? left : between(random, 1, Math.min(left - after, Math.max(1, fair)));
    left -= part;
    return part;
  });
}
