import { Random } from './random.js';

/** An order of the campaign, as the venue has it and as we do. */
export interface PlannedOrder {
  /** Its number within the day. */
  readonly n: number;
  /** What the venue fills in equal trades. */
  readonly quantityAtVenue: number;
  /** What we think was ordered: less means over-fills, more means that it stays open. */
  readonly quantity: number;
  /** When we learn of it, as the share of reports that are applied by then; undefined: never. */
  readonly knownAt: number | undefined;
}

export interface PlanOptions {
  readonly seed: number;
  readonly reports: number;
  readonly orders: number;
}

export interface ExecutionPlan {
  readonly orders: readonly PlannedOrder[];
  readonly fillsPerOrder: number;
}

const LARGEST_LOT = 90;
const [LATE, NEVER, MORE, LESS] = [0.04, 0.005, 0.03, 0.03];

/** Orders that are filled by so many reports, the first of which says that the order is taken. */
export function planExecutions({ seed, reports, orders }: PlanOptions): ExecutionPlan {
  const random = new Random(seed, 1);
  const fillsPerOrder = Math.max(2, Math.round(reports / orders) - 1);
  return {
    fillsPerOrder,
    orders: Array.from({ length: orders }, (_, index) => {
      const lot = random.between(1, LARGEST_LOT);
      const quantityAtVenue = lot * fillsPerOrder;
      const kind = random.next();
      let quantity = quantityAtVenue;
      if (kind < MORE) quantity += random.between(1, 2 * lot);
      else if (kind < MORE + LESS) quantity -= random.between(1, quantityAtVenue - 1);
      const late = random.next();
      const share = random.between(5, 90) / 100;
      const knownAt = late < NEVER ? undefined : late < NEVER + LATE ? share : 0;
      return { n: index + 1, quantityAtVenue, quantity, knownAt };
    }),
  };
}

/** One thing that is killed, or torn, while the stream is applied. */
export interface Blow {
  readonly at: number;
  readonly what: 'consumer' | 'receiver' | 'connection' | 'broker' | 'broker and its disk' | 'messages';
}

/** When what is struck, as shares of the reports that are applied by then. */
export function planBlows(
  seed: number,
  counts: { readonly kills: number; readonly brokerKills: number },
): Blow[] {
  const random = new Random(seed, 2);
  const at = () => random.between(3, 85) / 100;
  // Each of the two at least once, when there are two.
  const first: readonly Blow['what'][] = ['consumer', 'receiver'];
  const blows = Array.from({ length: counts.kills }, (_, index): Blow => ({
    at: at(),
    what: first[index] ?? random.pick(['consumer', 'receiver', 'connection']),
  }));
  for (let index = 0; index < counts.brokerKills; index += 1)
    blows.push({ at: at(), what: (['broker and its disk', 'messages'] as const)[index] ?? 'broker' });
  return blows.toSorted((a, b) => a.at - b.at);
}
