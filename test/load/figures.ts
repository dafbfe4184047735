import { quantile } from '../chaos/stock-campaign.js';

const BARS = 10;
const WIDTH = 40;

export interface Summary {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

export function summarize(values: readonly number[]): Summary {
  return {
    p50: quantile(values, 0.5),
    p95: quantile(values, 0.95),
    p99: quantile(values, 0.99),
    max: quantile(values, 1),
  };
}

/** Bars for equal steps from 0 to the highest value, a line each. */
export function histogram(values: readonly number[], unit: string): string {
  const highest = quantile(values, 1);
  const step = highest / BARS || 1;
  const counts = Array.from({ length: BARS }, () => 0);
  for (const value of values) {
    const bar = Math.min(BARS - 1, Math.floor(value / step));
    counts[bar] = (counts[bar] ?? 0) + 1;
  }
  const most = Math.max(...counts);
  const label = (edge: number) => edge.toFixed(highest < 10 ? 1 : 0);
  const width = label(highest).length;
  return counts
    .map((count, bar) => {
      const edges = `${label(bar * step).padStart(width)} – ${label((bar + 1) * step).padStart(width)} ${unit}`;
      // Whatever there is shows.
      const length = count === 0 ? 0 : Math.max(1, Math.round((count / most) * WIDTH));
      return `  ${edges}  ${'█'.repeat(length).padEnd(WIDTH)}  ${count}\n`;
    })
    .join('');
}

export interface Task {
  readonly placedAt: number;
  readonly durationMs: number;
}

/**
 * How long workers who lose no moment take: each takes the next task as soon as it is free and the task is there.
 * @param tasks in the order in which they are started
 * @returns from the first placement to the last end
 */
export function idealMs(tasks: readonly Task[], workers: number): number {
  const freeAt = Array.from({ length: workers }, () => -Infinity);
  const ends = tasks.map(({ placedAt, durationMs }) => {
    const soonest = freeAt.indexOf(Math.min(...freeAt));
    const end = Math.max(freeAt[soonest] ?? 0, placedAt) + durationMs;
    freeAt[soonest] = end;
    return end;
  });
  return Math.max(...ends) - Math.min(...tasks.map(({ placedAt }) => placedAt));
}
