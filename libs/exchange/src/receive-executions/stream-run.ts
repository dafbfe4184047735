import type { ExchangeGateway } from '../exchange-gateway.js';
import type { ExecutionBus } from '../execution-bus.js';
import type { ExecutionOffsets, PartOffset } from '../execution-offsets.js';
import type { ExecutionReport } from '../execution-report.js';
import type { StreamMetrics } from '../stream-metrics.js';
import { StreamOrder } from './stream-order.js';
import { StretchCutter } from '../stretch-cutter.js';

/** Reports that are held back at most because something before them is missing. */
const HELD_AT_MOST = 20_000;
/** Reports that wait for the bus; then the socket is not read until it has caught up. */
const WAITING_AT_MOST = 20_000;
const PUBLISHED_AT_ONCE = 4_000;
/** From so many on more are waited for, for a moment: a publication has its price however small it is. */
const MANY = 100;
const GATHER_MS = 20;
/** How long what is missing may take to come by itself. */
const GAP_MS = 500;
const LOOK_MS = 100;
const TICK_MS = 1_000;

/** How a run ended, if not with an error. */
export type RunEnd =
  | 'stopped'
  /** Something is missing and did not come: it has to be asked for again. */
  | 'gap'
  /** The venue has closed the connection. */
  | 'closed'
  /** The bus has lost something that it had. */
  | 'lost';

/**
 * One connection to the venue: reads the stream from where the bus needs it, puts it in order and publishes it. Never holds more
 * than a bounded part of it: while the bus is slow, the socket is not read.
 */
export class StreamRun {
  private readonly waiting: ExecutionReport[] = [];
  private readonly reading = new AbortController();
  private order = new StreamOrder(0, HELD_AT_MOST);
  private cutter = new StretchCutter(0);
  private end: RunEnd | undefined;
  private isReadingOver = false;
  /** The venue has sent something, if only an empty list. */
  private isOpen = false;
  private wake = Promise.withResolvers<void>();
  private room = Promise.withResolvers<void>();
  private published = 0;
  private noted = 0;
  private gap: { readonly through: number; readonly since: number } | undefined;
  private lastOffsets: readonly PartOffset[] = [];

  constructor(
    private readonly gateway: ExchangeGateway,
    private readonly bus: ExecutionBus,
    private readonly offsets: ExecutionOffsets,
    private readonly metrics: StreamMetrics,
  ) {}

  /**
   * Resolves when the run has ended, and what it had in order is published.
   * @param progress is told what has been published first
   * @throws when the connection cannot be made or breaks, or the bus or the database fails
   */
  async run(signal: AbortSignal, progress: () => void): Promise<RunEnd> {
    const { venue } = this.gateway;
    const after = await this.findBeginning(venue);
    await this.offsets.noteConnection(venue, after);
    this.metrics.connected();
    this.order = new StreamOrder(after, HELD_AT_MOST);
    this.cutter = new StretchCutter(after);
    this.published = this.noted = after;
    const stop = () => this.finish('stopped');
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    const publishing = this.publishAll(venue, progress);
    try {
      // Publishing ends by itself only with an error.
      await Promise.race([this.read(after), publishing]);
    } finally {
      signal.removeEventListener('abort', stop);
      this.reading.abort();
      this.isReadingOver = true;
      this.wake.resolve();
      this.room.resolve();
      await publishing;
    }
    return this.end ?? 'closed';
  }

  /** The first report that has not come. */
  get missing(): number {
    return this.order.through + 1;
  }

  /** From where the venue has to send. What the bus has lost without knowing it is asked for, too. */
  private async findBeginning(venue: string): Promise<number> {
    const parts = await this.offsets.read(venue);
    const applied = parts.map((part) => part.applied);
    const lost = [...parts.keys()].filter((part) => parts[part]?.isLost);
    const after = await this.bus.resumeAfter(applied, lost);
    return Math.min(after, ...lost.map((part) => applied[part] ?? 0));
  }

  private async read(after: number): Promise<void> {
    for await (const reports of this.gateway.reports(after, this.reading.signal)) {
      this.isOpen = true;
      for (const report of this.order.accept(reports)) this.waiting.push(report);
      if (this.waiting.length > 0) this.wake.resolve();
      while (this.waiting.length >= WAITING_AT_MOST && !this.reading.signal.aborted) {
        this.room = Promise.withResolvers();
        await this.room.promise;
      }
      if (this.reading.signal.aborted) return;
    }
  }

  private finish(end: RunEnd): void {
    this.end ??= end;
    this.reading.abort();
    this.room.resolve();
  }

  private async publishAll(venue: string, progress: () => void): Promise<void> {
    let tickAt = performance.now() + TICK_MS;
    for (;;) {
      await this.sleep(LOOK_MS, 1);
      const count = this.waiting.length;
      if (count > 0) {
        const reports = this.take();
        await this.bus.publish(this.cutter.cut(reports));
        this.metrics.received(reports.length);
        this.published = this.order.through - this.waiting.length;
        progress();
        if (count >= MANY) await this.sleep(GATHER_MS, PUBLISHED_AT_ONCE);
      }
      const isLast = this.isReadingOver && this.waiting.length === 0;
      if (isLast || performance.now() >= tickAt) {
        await this.tick(venue);
        tickAt = performance.now() + TICK_MS;
      }
      if (isLast) return;
      this.watchGap();
    }
  }

  private take(): readonly ExecutionReport[] {
    const taken = this.waiting.splice(0, PUBLISHED_AT_ONCE);
    this.room.resolve();
    return taken;
  }

  /** Until so many wait, or the time is over, or no more are read. */
  private async sleep(ms: number, count: number): Promise<void> {
    const until = performance.now() + ms;
    while (this.waiting.length < count && !this.isReadingOver) {
      const left = until - performance.now();
      if (left <= 0) return;
      this.wake = Promise.withResolvers();
      const timer = setTimeout(this.wake.resolve, left);
      await this.wake.promise;
      clearTimeout(timer);
    }
  }

  /** Once a second: brings idle parts up to where the stream is, notes how far that is, and asks whether all of it is still there. */
  private async tick(venue: string): Promise<void> {
    // Even when there is nothing to publish: so it is known that it could be.
    await this.bus.publish(this.cutter.catchUp());
    const isWhole = this.isOpen && !this.isReadingOver && this.order.held === 0;
    await this.offsets.noteReceived(venue, this.published, isWhole || this.noted < this.published);
    this.noted = this.published;
    const parts = await this.offsets.read(venue);
    if (parts.some(({ isLost }) => isLost) || (await this.isStuck(parts))) this.finish('lost');
    this.lastOffsets = parts;
  }

  /** What was published is not applied, for a second nothing has moved, and the bus does not have it any more. */
  private async isStuck(parts: readonly PartOffset[]): Promise<boolean> {
    const low = this.cutter.low;
    const isStill = parts.every(({ applied }, part) => applied === this.lastOffsets[part]?.applied);
    if (!isStill || parts.every(({ applied }) => applied >= low)) return false;
    return (await this.bus.resumeAfter(parts.map(({ applied }) => applied))) < low;
  }

  private watchGap(): void {
    const { through, held, isFull } = this.order;
    if (held === 0) this.gap = undefined;
    else if (this.gap?.through !== through) this.gap = { through, since: performance.now() };
    else if (isFull || performance.now() - this.gap.since >= GAP_MS) this.finish('gap');
  }
}
