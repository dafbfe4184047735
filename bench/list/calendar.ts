import { sum } from '../support/statistics.ts';

/** The orders of one business day, and what comes before them. */
export interface FilledDay {
  /** `20261120` */
  readonly number: number;
  readonly orders: number;
  /** Orders of all days before. */
  readonly before: number;
  /** Days until today: 1 is yesterday. */
  readonly age: number;
}

/** Days of one month that are filled by one statement. */
export interface Portion {
  readonly month: string;
  readonly days: readonly FilledDay[];
  readonly orders: number;
}

/** Two years. */
export const DAYS_FILLED = 730;

// From Sunday: people order at work.
const WEEK = [0.7, 1.15, 1.1, 1.05, 1.05, 1.1, 0.85];
const GROWTH = 0.6;
const ORDERS_AT_ONCE = 50_000;

/** Spreads orders over days that end yesterday: quiet weekends, and more every month. */
export function spreadOverDays(orders: number, today: Date, dayCount = DAYS_FILLED): FilledDay[] {
  const days = Array.from({ length: dayCount }, (_, index) => {
    const day = new Date(today.getTime() - (dayCount - index) * 86_400_000);
    const weight = (WEEK[day.getUTCDay()] ?? 1) * (1 + (GROWTH * index) / dayCount);
    return {
      number: Number(day.toISOString().slice(0, 10).replaceAll('-', '')),
      weight,
      age: dayCount - index,
    };
  });
  const total = sum(days.map(({ weight }) => weight));
  let weightBefore = 0;
  return days.map(({ number, weight, age }) => {
    const before = Math.round((orders * weightBefore) / total);
    weightBefore += weight;
    return { number, orders: Math.round((orders * weightBefore) / total) - before, before, age };
  });
}

/** Cuts the days where a month ends, and where there are enough orders for one statement. */
export function cutIntoPortions(days: readonly FilledDay[]): Portion[] {
  const portions: { month: string; days: FilledDay[]; orders: number }[] = [];
  for (const day of days) {
    const month = String(day.number).slice(0, 6);
    const last = portions.at(-1);
    if (last?.month === month && last.orders + day.orders <= ORDERS_AT_ONCE) {
      last.days.push(day);
      last.orders += day.orders;
    } else portions.push({ month, days: [day], orders: day.orders });
  }
  return portions;
}
