import { PARTITIONS, type Stretch } from './execution-bus.js';
import type { ExecutionReport } from './execution-report.js';
import { partitionOf } from './partition-of.js';

/** Cuts a stream that is in order into stretches of its parts, each joining the one before of the same part. */
export class StretchCutter {
  private readonly ends: number[];

  /** @param reached where the stretches begin, of all parts */
  constructor(private reached: number) {
    this.ends = Array.from({ length: PARTITIONS }, () => reached);
  }

  /** How far every part has been cut, at least. */
  get low(): number {
    return Math.min(...this.ends);
  }

  /**
   * The stretches of these reports; a part that has none of them gets none, and what it has missed belongs to its next one.
   * @param reports complete and in order, beginning where the last ones ended
   */
  cut(reports: readonly ExecutionReport[]): Stretch[] {
    const parts = Array.from({ length: PARTITIONS }, (): ExecutionReport[] => []);
    for (const report of reports) parts[partitionFor(report)]?.push(report);
    this.reached = reports.at(-1)?.sequence ?? this.reached;
    return parts.flatMap((theirs, partition) => (theirs.length === 0 ? [] : [this.end(partition, theirs)]));
  }

  /** An empty stretch for every part that has fallen behind, so that all parts are told to be as far as the stream is. */
  catchUp(): Stretch[] {
    return this.ends.flatMap((end, partition) => (end < this.reached ? [this.end(partition, [])] : []));
  }

  private end(partition: number, reports: readonly ExecutionReport[]): Stretch {
    const after = this.ends[partition] ?? 0;
    this.ends[partition] = this.reached;
    return { partition, after, through: this.reached, reports };
  }
}

/** A report without an order belongs somewhere, too: it is quarantined there. */
function partitionFor({ orderRef }: ExecutionReport): number {
  return typeof orderRef === 'string' ? partitionOf(orderRef) : 0;
}
