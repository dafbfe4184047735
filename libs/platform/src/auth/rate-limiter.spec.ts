import fc from 'fast-check';

import { loadConfig } from '../config/config.js';
import { RateLimited } from '../errors/domain-error.js';
import { RateLimiter } from './rate-limiter.js';

const { jest } = import.meta;

let now = 0;

beforeEach(() => {
  now = 1_000_000;
  jest.spyOn(performance, 'now').mockImplementation(() => now);
});
afterEach(() => jest.restoreAllMocks());

const limiterOf = (perMinute?: number) =>
  new RateLimiter(
    loadConfig({ ...(perMinute !== undefined && { RATE_LIMIT_PER_MINUTE: String(perMinute) }) }),
  );

/** Counts one request; answers after how many seconds to come back, 0 if it was let in. */
function ask(limiter: RateLimiter, caller = 'alice'): number {
  try {
    limiter.count(caller);
    return 0;
  } catch (error) {
    if (error instanceof RateLimited) return error.retryAfterSeconds;
    throw error;
  }
}

it('without a configured limit nobody is refused', () => {
  const limiter = limiterOf();
  for (let n = 0; n < 10_000; n += 1) expect(ask(limiter)).toBe(0);
});

it('a caller is let in as often per minute as configured, and then told when to come back', () => {
  const limiter = limiterOf(3);
  expect([ask(limiter), ask(limiter), ask(limiter)]).toEqual([0, 0, 0]);
  expect(ask(limiter)).toBe(60);
  now += 15_500;
  expect(ask(limiter)).toBe(45);
  now += 44_499;
  expect(ask(limiter)).toBe(1);
});

it('a caller who comes back when told is let in again, with the whole limit', () => {
  const limiter = limiterOf(2);
  for (let n = 0; n < 5; n += 1) ask(limiter);
  now += ask(limiter) * 1000;
  expect([ask(limiter), ask(limiter)]).toEqual([0, 0]);
  expect(ask(limiter)).toBeGreaterThan(0);
});

it('one caller’s requests are not held against another', () => {
  const limiter = limiterOf(1);
  expect(ask(limiter, 'alice')).toBe(0);
  expect(ask(limiter, 'alice')).toBeGreaterThan(0);
  expect(ask(limiter, 'bob')).toBe(0);
});

it('whatever the times between the requests, no caller gets more than the limit into one window', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.array(fc.nat(30_000), { maxLength: 60 }),
      (limit, gaps) => {
        const limiter = limiterOf(limit);
        let windowEndsAt = -Infinity;
        let letIn = 0;
        for (const gap of gaps) {
          now += gap;
          if (now >= windowEndsAt) [windowEndsAt, letIn] = [now + 60_000, 0];
          const retryAfter = ask(limiter);
          if (retryAfter === 0) letIn += 1;
          else {
            expect(letIn).toBe(limit);
            expect(now + retryAfter * 1000).toBeGreaterThanOrEqual(windowEndsAt);
          }
          expect(letIn).toBeLessThanOrEqual(limit);
        }
      },
    ),
  );
});
