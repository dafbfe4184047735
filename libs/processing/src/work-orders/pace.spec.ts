import { Pace } from './pace.js';

function paceOf(...durationsMs: number[]): Pace {
  const pace = new Pace();
  for (const duration of durationsMs) pace.note(duration);
  return pace;
}
const hundred = (durationMs: number) => Array.from({ length: 100 }, () => durationMs);

it('nothing is claimed ahead until a hundred attempts have shown the pace', () => {
  expect(paceOf().ordersAhead(10)).toBe(0);
  expect(paceOf(...hundred(0).slice(1)).ordersAhead(10)).toBe(0);
});

it.each([
  [10, 0, 250],
  [10, 0.5, 250],
  [10, 1, 200],
  [10, 20, 10],
  [10, 200, 1],
  [10, 201, 0],
  [1, 21, 0],
  [1_000, 5_000, 4],
])('%d workers that take %d ms get %d orders ahead', (workers, durationMs, ahead) => {
  expect(paceOf(...hundred(durationMs)).ordersAhead(workers)).toBe(ahead);
});

it('the slowest of the latest hundred counts, and is forgotten behind them', () => {
  expect(paceOf(...hundred(0), 5_000).ordersAhead(10)).toBe(0);
  expect(paceOf(5_000, ...hundred(0)).ordersAhead(10)).toBe(250);
});
