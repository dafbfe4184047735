import { startTestApp, type TestApp } from '../support/app.js';
import { expectHealthy } from '../support/doctor.js';
import { checkLives, type Circumstances } from './check-lives.js';
import { histogram, idealMs, summarize } from './figures.js';
import type { Life } from './lives.js';
import { LoadRun } from './load-run.js';

const OPTIONS = {
  orders: 60,
  connections: 20,
  highPercent: 30,
  processingMs: [1, 20],
  workers: 5,
} as const;

describe('a load', () => {
  let daybook: TestApp;
  beforeAll(async () => {
    daybook = await startTestApp({
      DAYBOOK_ROLES: 'api,worker,scheduler',
      WORKER_COUNT: '5',
      REPORT_INTERVAL_SECONDS: '1',
    });
  });
  afterAll(async () => {
    await expectHealthy(daybook.database.url);
    await daybook.stop();
  });

  const run = (options: ConstructorParameters<typeof LoadRun>[1], isOwn: boolean) => {
    const { origin, tokens } = daybook;
    const ask = (method: string, path: string, body?: object) =>
      daybook.api(method, path, { ...(body && { body }) });
    const close = () => Promise.resolve();
    return new LoadRun({ origin, token: tokens.operator, isOwn, ask, close }, options).run();
  };

  it('is placed, worked off, and found as promised', async () => {
    const report = await run(OPTIONS, true);
    expect(report.problems).toEqual([]);
    expect(report.byStatus).toEqual({ confirmed: 60 });
    expect(report.checked).toContain('the reports');
    expect([report.placementMs.length, report.doneMs.length]).toEqual([60, 60]);
    expect(report.idealMs).toBeLessThanOrEqual(report.workMs);
  });

  it('is told from the orders of others', async () => {
    const report = await run({ ...OPTIONS, orders: 7 }, false);
    expect(report.problems).toEqual([]);
    expect(report.byStatus).toEqual({ confirmed: 7 });
  });

  it('that is not accepted is told with the reason', async () => {
    const { problems } = await run({ ...OPTIONS, orders: 3, processingMs: [900_000, 900_000] }, false);
    expect(problems).toEqual([
      expect.stringMatching(/^3 orders were not accepted: 400 .+processingTimeMs/),
      '3 orders were to be placed, 0 were',
    ]);
  });
});

describe('the check', () => {
  /** Orders that were placed one after the other, and started and ended in their order, one at a time. */
  const lives = (changes: Record<number, Partial<Life>> = {}): Life[] =>
    [1, 2, 3, 4].map((n) => ({
      id: `20261121-0000${n}`,
      priority: 'normal',
      processingTimeMs: 10,
      latencyMs: 5,
      status: 'confirmed',
      versions: [1, 2, 3],
      outcomes: ['confirmed'],
      placedAt: n,
      placedPosition: n,
      startedPosition: 10 * n,
      startedAt: 100 * n,
      doneAt: 100 * n + 50,
      ...changes[n],
    }));
  const check = (changes: Record<number, Partial<Life>>, others: Partial<Circumstances> = {}) =>
    checkLives(lives(changes), {
      wanted: 4,
      refusals: new Map(),
      counts: { confirmed: 4 },
      metrics: { pending: 0, confirmed: 4 },
      reports: { confirmed: 4 },
      workers: 1,
      ...others,
    });

  it('finds nothing wrong with orders that were done one after the other', () => {
    expect(check({})).toEqual([]);
  });

  it.each<[string, Record<number, Partial<Life>>, Partial<Circumstances>, string]>([
    [
      'an order that was not accepted',
      {},
      { refusals: new Map([['503 busy', 2]]) },
      '2 orders were not accepted: 503 busy',
    ],
    ['an order too few', {}, { wanted: 5 }, '5 orders were to be placed, 4 were'],
    ['an order that is not done', { 2: { status: 'pending' } }, {}, 'order 20261121-00002 ended as pending'],
    [
      'two outcomes',
      { 3: { outcomes: ['confirmed', 'failed'] } },
      {},
      'order 20261121-00003 has 2 outcomes: confirmed, failed',
    ],
    [
      'a gap in the journal',
      { 1: { versions: [1, 3] } },
      {},
      'the journal of order 20261121-00001 has the versions 1, 3',
    ],
    [
      'a list that differs',
      {},
      { counts: { confirmed: 3 } },
      '4 orders are confirmed; by the list of orders 3',
    ],
    ['metrics that differ', {}, { metrics: { confirmed: 5 } }, '4 orders are confirmed; by the metrics 5'],
    [
      'reports that differ',
      {},
      { reports: { confirmed: 4, failed: 1 } },
      '0 orders are failed; by the reports together 1',
    ],
    [
      'an order that others were preferred to',
      { 1: { startedPosition: 35, startedAt: 350 } },
      {},
      '2 orders with higher numbers and the same priority started before 20261121-00001',
    ],
    [
      'an order that was never started',
      { 1: { startedPosition: undefined, startedAt: undefined } },
      {},
      '3 orders with higher numbers and the same priority started before 20261121-00001',
    ],
  ])('would notice %s', (_, changes, others, problem) => {
    expect(check(changes, others)).toContain(problem);
  });

  it.each<[string, Record<number, Partial<Life>>, Partial<Circumstances>]>([
    ['of another priority', { 1: { startedPosition: 50, startedAt: 500, priority: 'high' } }, {}],
    [
      'that start with it',
      { 1: { startedPosition: 35, startedAt: 300 }, 2: { startedPosition: 31, startedAt: 300 } },
      {},
    ],
    ['that were there before it', { 1: { placedPosition: 25, startedPosition: 35, startedAt: 350 } }, {}],
    ['as many as there are workers', { 1: { startedPosition: 35, startedAt: 350 } }, { workers: 2 }],
  ])('lets pass those %s', (_, changes, others) => {
    expect(check(changes, others)).toEqual([]);
  });
});

describe('the figures', () => {
  it('show every value once, in ten equal steps', () => {
    const lines = histogram([0, 5, 95, 100, 100], 'ms').split('\n').slice(0, -1);
    const counts = lines.map((line) => Number(/\d+$/.exec(line)?.[0]));
    expect(counts).toEqual([2, 0, 0, 0, 0, 0, 0, 0, 0, 3]);
    expect(lines[9]).toBe(`   90 – 100 ms  ${'█'.repeat(40)}  3`);
    expect(lines[0]).toContain(`${'█'.repeat(27)} `);
  });

  it('are none for no values', () => {
    expect(histogram([], 'ms').split('\n')).toHaveLength(11);
    expect(summarize([])).toEqual({ p50: 0, p95: 0, p99: 0, max: 0 });
  });

  it.each<[string, [number, number][], number, number]>([
    [
      'one worker does one after the other',
      [
        [0, 10],
        [0, 20],
        [0, 30],
      ],
      1,
      60,
    ],
    [
      'two share them',
      [
        [0, 10],
        [0, 20],
        [0, 30],
      ],
      2,
      40,
    ],
    [
      'nobody begins before an order is there',
      [
        [0, 10],
        [100, 10],
      ],
      5,
      110,
    ],
  ])('tell the best time: %s', (_, tasks, workers, ms) => {
    expect(
      idealMs(
        tasks.map(([placedAt, durationMs]) => ({ placedAt, durationMs })),
        workers,
      ),
    ).toBe(ms);
  });
});
