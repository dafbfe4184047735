export const REPORT_TYPES = ['new', 'trade', 'cancelled', 'rejected', 'expired', 'cancel_rejected'] as const;
export type ReportType = (typeof REPORT_TYPES)[number];

/** What is to be reported. */
export interface NewReport {
  readonly orderRef: string;
  readonly type: ReportType;
  /** Of a trade. */
  readonly quantity?: number;
  /** Of a trade. */
  readonly priceCents?: number;
  readonly executedAtMs: number;
  readonly reason?: string;
}

/** A report as it goes over the wire. */
export interface SentReport extends Omit<NewReport, 'executedAtMs'> {
  readonly sequence: number;
  readonly execId: string;
  /** ISO 8601. */
  readonly executedAt: string;
}

/** The sequence number under which an event was reported first. */
export function eventNumber(execId: string): number {
  return Number(execId.slice(execId.lastIndexOf('-') + 1));
}

const ROWS = 8_192;

/** Reports are kept in columns: a million of them in 30 MB, and none of them an object for the garbage collector. */
class Chunk {
  readonly refs = new Uint32Array(ROWS);
  readonly types = new Uint8Array(ROWS);
  readonly quantities = new Float64Array(ROWS);
  readonly prices = new Float64Array(ROWS);
  readonly times = new Float64Array(ROWS);
}

/** Everything that was reported, in order, with sequence numbers from 1 on without gaps; the oldest are forgotten in time. */
export class ReportLog {
  private readonly chunks: Chunk[] = [];
  private forgottenChunks = 0;
  private length = 0;
  private readonly refs: string[] = [];
  private readonly numberOfRef = new Map<string, number>();
  /** Of the few that have one, in the order of their sequence numbers. */
  private readonly reasons = new Map<number, string>();
  /** Of the few that report again what another has reported: the sequence number of that one. */
  private readonly repeated = new Map<number, number>();
  private lastTime = { ms: 0, text: '' };

  /**
   * @param execIdPrefix what ExecIDs begin with
   * @param keep at least so many reports are kept
   */
  constructor(
    private execIdPrefix: string,
    private readonly keep: number,
  ) {}

  /** The sequence number of the newest report; 0 when there is none. */
  get last(): number {
    return this.length;
  }

  /** Up to this sequence number reports are forgotten. */
  get forgotten(): number {
    return this.forgottenChunks * ROWS;
  }

  /** @returns its sequence number */
  append(report: NewReport): number {
    const row = this.length % ROWS;
    if (row === 0) this.chunks.push(new Chunk());
    this.length += 1;
    const chunk = this.chunks.at(-1) as Chunk;
    chunk.refs[row] = this.numberOf(report.orderRef);
    chunk.types[row] = REPORT_TYPES.indexOf(report.type);
    chunk.quantities[row] = report.quantity ?? 0;
    chunk.prices[row] = report.priceCents ?? 0;
    chunk.times[row] = report.executedAtMs;
    if (report.reason !== undefined) this.reasons.set(this.length, report.reason);
    if (this.length - this.forgotten > this.keep + ROWS) this.forgetOldest();
    return this.length;
  }

  /** Reports again what was reported as `sequence`: the same event, by its ExecID, at another place in the stream. */
  repeat(sequence: number): number {
    const { chunk, row } = this.find(sequence);
    const again = this.append({
      orderRef: this.refs[chunk.refs[row] as number] as string,
      type: REPORT_TYPES[chunk.types[row] as number] as ReportType,
      quantity: chunk.quantities[row] as number,
      priceCents: chunk.prices[row] as number,
      executedAtMs: chunk.times[row] as number,
    });
    this.repeated.set(again, this.repeated.get(sequence) ?? sequence);
    return again;
  }

  /** Takes back what was sent before, one after the other. ExecIDs go on as they began, whatever the seed is now. */
  restore({ sequence, execId, executedAt, ...report }: SentReport): void {
    if (this.length === 0) this.execIdPrefix = execId.slice(0, execId.lastIndexOf('-') + 1);
    const added = this.append({ ...report, executedAtMs: Date.parse(executedAt) });
    if (added !== sequence) throw new Error(`Report ${sequence} came where ${added} was to come`);
    const number = eventNumber(execId);
    if (number !== sequence) this.repeated.set(sequence, number);
  }

  /** A report as it goes over the wire, in JSON. References and ids have nothing in them that would need escaping. */
  json(sequence: number): string {
    const { chunk, row } = this.find(sequence);
    const type = REPORT_TYPES[chunk.types[row] as number] as ReportType;
    const trade =
      type === 'trade' ? `,"quantity":${chunk.quantities[row]},"priceCents":${chunk.prices[row]}` : '';
    const reason = this.reasons.get(sequence);
    return (
      `{"sequence":${sequence},"execId":"${this.execIdPrefix}${this.repeated.get(sequence) ?? sequence}"` +
      `,"orderRef":"${this.refs[chunk.refs[row] as number]}","type":"${type}"${trade}` +
      `,"executedAt":"${this.timeText(chunk.times[row] as number)}"` +
      `${reason === undefined ? '' : `,"reason":${JSON.stringify(reason)}`}}`
    );
  }

  private find(sequence: number): { chunk: Chunk; row: number } {
    const index = sequence - 1;
    const chunk = this.chunks[Math.floor(index / ROWS) - this.forgottenChunks];
    if (chunk === undefined || sequence > this.length) throw new RangeError(`No report ${sequence} is kept`);
    return { chunk, row: index % ROWS };
  }

  private numberOf(orderRef: string): number {
    let number = this.numberOfRef.get(orderRef);
    if (number === undefined) {
      number = this.refs.push(orderRef) - 1;
      this.numberOfRef.set(orderRef, number);
    }
    return number;
  }

  private forgetOldest(): void {
    this.chunks.shift();
    this.forgottenChunks += 1;
    for (const few of [this.reasons, this.repeated]) {
      for (const sequence of few.keys()) {
        if (sequence > this.forgotten) break;
        few.delete(sequence);
      }
    }
  }

  /** Many reports have the time of the one before. */
  private timeText(ms: number): string {
    if (this.lastTime.ms !== ms) this.lastTime = { ms, text: new Date(ms).toISOString() };
    return this.lastTime.text;
  }
}
