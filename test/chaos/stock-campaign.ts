import { judge } from './sale-verdict.js';
import { Sale, type SaleOptions } from './sale.js';
import type { Shop } from './shop.js';

/** What one round came to. */
export interface SaleReport {
  readonly round: number;
  readonly sold: number;
  readonly refused: number;
  readonly released: number;
  readonly repeated: number;
  readonly requests: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly seconds: number;
  readonly problems: readonly string[];
}

/** Sales of one new product after the other, each judged when it is over. */
export class StockCampaign {
  readonly reports: SaleReport[] = [];
  readonly problems: string[] = [];
  /** Of all rounds that are over. */
  readonly latenciesMs: number[] = [];
  /** The one that is under way. */
  sale: Sale | undefined;

  constructor(
    private readonly shop: Shop,
    private readonly options: Omit<SaleOptions, 'round'>,
  ) {}

  async runRound(round: number): Promise<SaleReport> {
    const since = performance.now();
    const sale = new Sale(this.shop, { ...this.options, round });
    this.sale = sale;
    await sale.run();
    const seconds = (performance.now() - since) / 1000;
    const problems = judge(this.options.pieces, sale, await this.shop.books(sale.sku));
    const { orderIds, refused, released, repeated, latenciesMs } = sale;
    this.problems.push(...problems);
    for (const latency of latenciesMs) this.latenciesMs.push(latency);
    const report = {
      round,
      sold: orderIds.length,
      refused,
      released,
      repeated,
      requests: latenciesMs.length,
      p50Ms: quantile(latenciesMs, 0.5),
      p99Ms: quantile(latenciesMs, 0.99),
      seconds,
      problems,
    };
    this.reports.push(report);
    this.sale = undefined;
    return report;
  }

  /** Examines everything once more when the last round is over. */
  async audit(): Promise<void> {
    this.problems.push(...(await this.shop.audit()));
  }

  totals() {
    const sum = (count: (report: SaleReport) => number) =>
      this.reports.reduce((total, report) => total + count(report), 0);
    return {
      rounds: this.reports.length,
      sold: sum(({ sold }) => sold),
      refused: sum(({ refused }) => refused),
      released: sum(({ released }) => released),
      repeated: sum(({ repeated }) => repeated),
      requests: sum(({ requests }) => requests),
      p50Ms: quantile(this.latenciesMs, 0.5),
      p99Ms: quantile(this.latenciesMs, 0.99),
      seconds: sum(({ seconds }) => seconds),
    };
  }
}

/** The smallest value that this share of all values does not exceed; 0 when there are none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}
