import type { ExecutionReport } from '../execution-report.js';

/**
 * Puts a stream in order that repeats, reorders and leaves out: what comes again is dropped, what comes early is held back until
 * what is missing has come. Knows no time: how long a gap may stay open is for its owner to say.
 */
export class StreamOrder {
  private readonly early = new Map<number, ExecutionReport>();
  private droppedSoFar = 0;

  /**
   * @param reached everything up to here has come
   * @param capacity how many reports are held back at most; what comes early beyond that is dropped, and has to be sent again
   */
  constructor(
    private reached: number,
    private readonly capacity: number,
  ) {}

  /** Everything up to here has come and was handed on. */
  get through(): number {
    return this.reached;
  }

  /** How many are held back because something before them is missing. */
  get held(): number {
    return this.early.size;
  }

  get isFull(): boolean {
    return this.early.size >= this.capacity;
  }

  /** How many reports were not handed on: they had come before, or there was no room for them. */
  get dropped(): number {
    return this.droppedSoFar;
  }

  /** Takes what has come; returns what is complete by it, in sequence. */
  accept(reports: readonly ExecutionReport[]): readonly ExecutionReport[] {
    const complete: ExecutionReport[] = [];
    for (const report of reports) {
      const { sequence } = report;
      if (sequence === this.reached + 1) {
        complete.push(report);
        this.reached = sequence;
        if (this.early.size > 0) this.followUp(complete);
      } else if (this.isEarly(sequence)) this.early.set(sequence, report);
      else this.droppedSoFar += 1;
    }
    return complete;
  }

  private isEarly(sequence: number): boolean {
    const isAhead = Number.isSafeInteger(sequence) && sequence > this.reached;
    return isAhead && !this.isFull && !this.early.has(sequence);
  }

  private followUp(complete: ExecutionReport[]): void {
    for (;;) {
      const next = this.early.get(this.reached + 1);
      if (next === undefined) return;
      this.early.delete(this.reached + 1);
      complete.push(next);
      this.reached += 1;
    }
  }
}
