import type { Queue, Throughput, WithPriorities } from './order-figures.js';

/** What a report tells, beside the interval it is of. */
export interface ReportFigures {
  /** What was committed since the report before: the sum of all reports is what happened, to the order. */
  readonly interval: WithPriorities<Throughput>;
  /** Of the business day in which the report was made. */
  readonly sinceMidnight: WithPriorities<Throughput>;
  /** At the end of the interval. */
  readonly queue: WithPriorities<Queue>;
}

/** A row of `reports`. */
export interface Report {
  readonly id: string;
  readonly from: Date;
  readonly to: Date;
  readonly figures: ReportFigures;
}

export const REPORT_COLUMNS = 'id, from_at AS "from", to_at AS "to", figures';
