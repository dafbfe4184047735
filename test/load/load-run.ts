import { setTimeout as pause } from 'node:timers/promises';

import { checkLives } from './check-lives.js';
import { type Daybook, listAll } from './daybook.js';
import { idealMs, summarize, type Summary } from './figures.js';
import { type Counts, countStatuses, type Life, readLives, workedOff } from './lives.js';
import { Placing, type Wish } from './placing.js';

export interface LoadOptions {
  readonly orders: number;
  readonly connections: number;
  readonly highPercent: number;
  readonly processingMs: readonly [least: number, most: number] | undefined;
  readonly workers: number;
}

export interface LoadReport {
  readonly byStatus: Counts;
  /** From the request to its answer. */
  readonly placementMs: readonly number[];
  readonly placement: Summary;
  /** From the placement to the end of the work, by the journal. */
  readonly doneMs: readonly number[];
  readonly done: Summary;
  /** All orders, as the client saw it. */
  readonly placingMs: number;
  /** From the first placement to the last end, by the journal, and how long it would take at best. */
  readonly workMs: number;
  readonly idealMs: number | undefined;
  /** Where the counts were compared. */
  readonly checked: readonly string[];
  readonly problems: readonly string[];
}

/** A report, as far as it is of interest. */
interface Report {
  readonly interval: { readonly placed: number; readonly confirmed: number; readonly failed: number };
}

const SKU = 'LOAD';
const REPORTED_WITHIN_MS = 30_000;
const LOOK_EVERY_MS = 500;

/** Orders that are placed at once, and what becomes of them. */
export class LoadRun {
  /** As of the latest look. */
  counts: Counts = {};
  private placing: Placing | undefined;

  constructor(
    private readonly daybook: Daybook,
    private readonly options: LoadOptions,
  ) {}

  get placed(): number {
    return this.placing?.placed.length ?? 0;
  }

  async run(): Promise<LoadReport> {
    const { daybook, options } = this;
    await this.fillShelf();
    // A customer of this run's own, whose orders can be told from all others.
    const customerId = `load-${Date.now()}`;
    const placing = new Placing(daybook, SKU, customerId, options.connections);
    this.placing = placing;
    await placing.connect();
    const since = performance.now();
    await placing.place(Array.from({ length: options.orders }, () => this.wish()));
    const placingMs = performance.now() - since;
    placing.close();
    const counts = await workedOff(daybook, customerId, (latest) => (this.counts = latest));
    const lives = await readLives(daybook, placing.placed);
    const { refusals, placed } = placing;
    const { orders: wanted, workers } = options;
    // Those of others are in the figures of a Daybook that serves others.
    const figures = daybook.isOwn && {
      metrics: await readMetrics(daybook),
      reports: await readReports(daybook, placed.length),
    };
    const problems = checkLives(lives, { wanted, refusals, counts, workers, ...figures });
    const placementMs = placed.map(({ latencyMs }) => latencyMs);
    return {
      byStatus: countStatuses(lives),
      placementMs,
      placement: summarize(placementMs),
      ...workOf(lives, workers),
      placingMs,
      checked: [
        'the list of orders',
        'the audit trail',
        ...(daybook.isOwn ? ['the metrics', 'the reports'] : []),
      ],
      problems,
    };
  }

  private async fillShelf(): Promise<void> {
    const { daybook, options } = this;
    const product = { sku: SKU, name: 'Ordered under load', priceCents: 100 };
    const { status, text } = await daybook.ask('POST', '/products', product);
    if (status !== 201 && status !== 409) throw new Error(`There is nothing to order: ${status} ${text}`);
    const stock = { sku: SKU, quantityDelta: options.orders, reason: 'received' };
    const filled = await daybook.ask('POST', '/stock-adjustments', stock);
    if (filled.status !== 201) throw new Error(`There is nothing to order: ${filled.status} ${filled.text}`);
  }

  private wish(): Wish {
    const { highPercent, processingMs } = this.options;
    const [least, most] = processingMs ?? [0, 0];
    return {
      priority: Math.random() * 100 < highPercent ? 'high' : 'normal',
      processingTimeMs: processingMs && least + Math.floor(Math.random() * (most - least + 1)),
    };
  }
}

async function readMetrics({ ask }: Daybook): Promise<Counts> {
  const { status, text, body } = await ask('GET', '/metrics');
  if (status !== 200) throw new Error(`The metrics could not be read: ${status} ${text}`);
  return (body as { orders: { byStatus: Counts } }).orders.byStatus;
}

/** Of all reports together: as soon as they tell of so many orders, or when they should long since have done so. */
async function readReports(daybook: Daybook, orders: number): Promise<Counts> {
  const until = performance.now() + REPORTED_WITHIN_MS;
  for (;;) {
    const reports = await listAll<Report>(daybook, '/reports');
    const sum = (count: (interval: Report['interval']) => number) =>
      reports.reduce((total, { interval }) => total + count(interval), 0);
    const confirmed = sum((interval) => interval.confirmed);
    const failed = sum((interval) => interval.failed);
    const isAll = confirmed + failed === orders;
    const pending = sum((interval) => interval.placed) - confirmed - failed;
    if (isAll || performance.now() > until) return { pending, confirmed, failed };
    await pause(LOOK_EVERY_MS);
  }
}

function workOf(
  lives: readonly Life[],
  workers: number,
): Pick<LoadReport, 'doneMs' | 'done' | 'workMs' | 'idealMs'> {
  const doneMs = lives.flatMap(({ placedAt, doneAt }) => (doneAt === undefined ? [] : [doneAt - placedAt]));
  const ends = lives.map(({ doneAt = 0 }) => doneAt);
  const tasks = lives
    .toSorted((one, other) => (one.startedAt ?? 0) - (other.startedAt ?? 0))
    .flatMap(({ placedAt, processingTimeMs }) =>
      processingTimeMs === undefined ? [] : [{ placedAt, durationMs: processingTimeMs }],
    );
  return {
    doneMs,
    done: summarize(doneMs),
    workMs: Math.max(...ends) - Math.min(...lives.map(({ placedAt }) => placedAt)),
    idealMs: tasks.length === 0 ? undefined : idealMs(tasks, workers),
  };
}
