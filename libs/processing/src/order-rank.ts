import type { OrderId, OrderPriority } from '@daybook/orders';

const MS_PER_DAY = 86_400_000;
const DAYS = 1024;
const ORDERS_PER_DAY = 2 ** 20;

/** Ranks of high orders are not negative, those of normal ones are: a claim can ask for either. */
export const LOWEST_HIGH_RANK = 0;
export const HIGHEST_NORMAL_RANK = -1;

/**
 * The job priority that makes pg-boss hand out high orders before normal ones, and within each the lowest number first.
 * By itself it would go by the time of the transaction, and of two transactions the earlier may have the higher numbers.
 *
 * pg-boss stores 32 bits: one for the priority, ten for the day, twenty for the number within the day. Beyond 1,048,575
 * orders a day those of the rest go by their transactions. Once in 1,024 days, next on 2028-11-16, the days begin again: the
 * orders of that day come before those that still wait from the days before.
 */
export function rankOf({ id, priority }: { readonly id: OrderId; readonly priority: OrderPriority }): number {
  const [date = '', n = ''] = id.split('-');
  const day = Date.parse(`${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6)}`) / MS_PER_DAY;
  const position = (day % DAYS) * ORDERS_PER_DAY + Math.min(Number(n), ORDERS_PER_DAY - 1);
  return priority === 'high' ? DAYS * ORDERS_PER_DAY - 1 - position : HIGHEST_NORMAL_RANK - position;
}
