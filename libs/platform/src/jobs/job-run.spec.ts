import { restMsAfter } from './job-run.js';

describe('the rest behind a batch', () => {
  it.each([
    { tookMs: 100, share: 1 / 4, leaseSeconds: 60, restMs: 300 },
    { tookMs: 100, share: 1 / 2, leaseSeconds: 60, restMs: 100 },
    { tookMs: 100, share: 1, leaseSeconds: 60, restMs: 0 },
    { tookMs: 5_000, share: 1 / 4, leaseSeconds: 60, restMs: 15_000 },
    { tookMs: 9_000, share: 1 / 4, leaseSeconds: 60, restMs: 20_000 },
    { tookMs: 9_000, share: 1 / 100, leaseSeconds: 30, restMs: 10_000 },
  ])('of $tookMs ms is $restMs ms at a share of $share and a lease of $leaseSeconds s', (given) => {
    expect(restMsAfter(given.tookMs, given.share, given.leaseSeconds)).toBeCloseTo(given.restMs, 6);
  });
});
