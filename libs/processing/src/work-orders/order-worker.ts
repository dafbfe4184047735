import { setTimeout as pause } from 'node:timers/promises';

import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';

import { CONFIG, type DaybookConfig, type TraceSpan } from '@daybook/platform';

import type { Claim } from '../attempt.js';
import { ClaimOrders } from '../claim-orders.js';
import { ORDER_PROCESSOR, type OrderProcessor } from '../order-processor.js';
import { OrderQueue } from '../order-queue.js';
import { describeEnd, startAttemptSpan, traceClaim, traceHandBack } from './attempt-spans.js';
import { NormalShare } from './normal-share.js';
import { Pace } from './pace.js';
import { isDeferred, RunningAttempt } from './running-attempt.js';
import { Verdicts } from './verdicts.js';

/** How long it takes at most until a worker sees what another process has placed. */
const LOOK_EVERY_MS = 250;
/** How much longer than its grace time a worker tries to write down what it did. */
const FAREWELL_MS = 5_000;
const BEATS_PER_LEASE = 3;
const CLAIM_STEP = 16;

/**
 * Works orders off, as many at a time as configured. It claims whenever a worker is free and there may be orders: when
 * this process has placed one, when an attempt has ended, and every quarter of a second. Claims and settlements are
 * transactions of their own; between them no transaction is open.
 */
@Injectable()
export class OrderWorker implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Processing');
  private readonly running = new Map<RunningAttempt, Promise<void>>();
  private readonly settling = new Set<RunningAttempt>();
  /** Claimed, and waiting for a worker. */
  private ahead: Claim[] = [];
  private readonly leaving = new Set<Promise<void>>();
  private readonly pace = new Pace();
  private readonly normalShare = new NormalShare();
  private claiming: Promise<void> | undefined;
  private beating: Promise<void> | undefined;
  private timers: NodeJS.Timeout[] = [];
  private isClaimScheduled = false;
  private isQueueEmpty = false;
  private isFailing = false;
  private isStopping = false;
  private lastStartAt = 0;

  constructor(
    private readonly claims: ClaimOrders,
    private readonly verdicts: Verdicts,
    private readonly queue: OrderQueue,
    @Inject(ORDER_PROCESSOR) private readonly processor: OrderProcessor,
    @Inject(CONFIG) private readonly config: DaybookConfig,
  ) {}

  onApplicationBootstrap(): void {
    if (!this.config.roles.includes('worker')) return;
    const beatMs = (this.config.processing.leaseSeconds * 1_000) / BEATS_PER_LEASE;
    this.timers = [setInterval(() => this.look(), LOOK_EVERY_MS), setInterval(() => this.beat(), beatMs)];
    this.poke();
  }

  /** For whoever closes the application without draining it before: nothing may go on when the database is gone. */
  beforeApplicationShutdown(): Promise<void> {
    return this.drain();
  }

  /** There may be orders to work off. */
  poke(): void {
    this.isQueueEmpty = false;
    this.scheduleClaim();
  }

  /**
   * Starts nothing more and waits for what is under way, within the grace time; what is left then is handed back, so that
   * another process can begin with it at once.
   */
  async drain(): Promise<void> {
    this.isStopping = true;
    const { graceSeconds } = this.config.processing;
    // Bounded, as all that follows: a database that has gone silent must not keep the process.
    await isDoneWithin(Promise.resolve(this.claiming), FAREWELL_MS);
    this.handBackAhead();
    const ended = Promise.all([...this.running.values(), ...this.leaving]);
    if (!(await isDoneWithin(ended, graceSeconds * 1_000))) {
      for (const attempt of this.running.keys()) attempt.end('handed_back');
      if (!(await isDoneWithin(ended, FAREWELL_MS))) {
        this.verdicts.giveUp();
        this.logger.error({
          orders: this.running.size,
          message: 'Attempts could not be settled; they will be made again',
        });
      }
    }
    for (const timer of this.timers) clearInterval(timer);
    await isDoneWithin(Promise.resolve(this.beating), FAREWELL_MS);
  }

  /** setImmediate, so that the workers which become free in this turn of the event loop share a claim. */
  private scheduleClaim(): void {
    if (this.isClaimScheduled) return;
    this.isClaimScheduled = true;
    setImmediate(() => {
      this.isClaimScheduled = false;
      this.claimIfFree();
    });
  }

  private claimIfFree(): void {
    const canClaim = this.timers.length > 0 && !this.isStopping && !this.isQueueEmpty;
    const count = this.room;
    if (!canClaim || this.claiming !== undefined || count === 0) return;
    this.claiming = this.claim(count).then(
      () => this.tell(undefined),
      (error: unknown) => this.tell(error),
    );
    void this.claiming.then(() => {
      this.claiming = undefined;
      this.claimIfFree();
    });
  }

  /** How many more orders there is something to do with. None while settlements pile up. */
  private get room(): number {
    const { workerCount } = this.config.processing;
    const room = workerCount + this.pace.ordersAhead(workerCount);
    if (this.settling.size > room) return 0;
    // A claim for each order that is begun would be many small ones: half of what is ahead may be used up first.
    const isWorthIt = this.freeWorkers > this.ahead.length || this.ahead.length < (room - workerCount) / 2;
    return isWorthIt ? inFewSizes(room - this.working - this.ahead.length) : 0;
  }

  private get working(): number {
    return this.running.size - this.settling.size;
  }

  private get freeWorkers(): number {
    return this.config.processing.workerCount - this.working;
  }

  private async claim(count: number): Promise<void> {
    const request = { count, normalCount: this.normalShare.of(count) };
    const claims = await traceClaim(() => this.claims.claim(request));
    this.normalShare.note(claims.length);
    if (claims.length === count) this.isQueueEmpty = false;
    this.ahead.push(...claims);
    if (this.isStopping) this.handBackAhead();
    this.startAhead();
  }

  private startAhead(): void {
    while (this.freeWorkers > 0 && this.ahead.length > 0) this.start(this.ahead.shift() as Claim);
  }

  private start(claim: Claim): void {
    this.lastStartAt = performance.now();
    const span = startAttemptSpan(claim);
    const timeLimitMs = this.config.processing.timeLimitSeconds * 1_000;
    const attempt = span.run(() => new RunningAttempt(claim, this.processor, timeLimitMs));
    const done = this.finish(attempt, span).finally(() => {
      span.end();
      this.running.delete(attempt);
      this.settling.delete(attempt);
      this.scheduleClaim();
    });
    this.running.set(attempt, done);
  }

  /** Never rejects. */
  private async finish(attempt: RunningAttempt, span: TraceSpan): Promise<void> {
    const end = await attempt.ended;
    describeEnd(span, end);
    this.settling.add(attempt);
    this.startAhead();
    this.scheduleClaim();
    if (end === undefined) return;
    if (isDeferred(end)) return span.run(() => this.defer(attempt.claim, end.deferredForSeconds));
    this.pace.note(end.durationMs);
    await span.run(() => this.verdicts.write(attempt.claim, end));
  }

  private look(): void {
    const idleMs = performance.now() - this.lastStartAt;
    if (this.ahead.length > 0 && idleMs > LOOK_EVERY_MS) this.pace.note(idleMs);
    // The workers have slowed down: others may be free for what was claimed ahead of them.
    this.handBackAhead(this.pace.ordersAhead(this.config.processing.workerCount));
    this.poke();
  }

  private handBackAhead(keep = 0): void {
    for (const claim of this.ahead.splice(keep)) {
      const verdict = { outcome: 'handed_back', reason: 'No worker was free for it.' } as const;
      const written = traceHandBack(claim, () => this.verdicts.write(claim, verdict));
      const done = written.finally(() => this.leaving.delete(done));
      this.leaving.add(done);
    }
  }

  private async defer(claim: Claim, seconds: number): Promise<void> {
    // A beat that is under way may still count it among those that are kept alive, and would shorten its time.
    await this.beating;
    await this.verdicts.defer(claim, seconds);
  }

  private beat(): void {
    this.beating ??= this.keepAlive()
      .catch((error: unknown) =>
        this.logger.warn({ err: error, message: 'A sign of life could not be given' }),
      )
      .finally(() => (this.beating = undefined));
  }

  /** Tells that this process lives, and finds out what happened to it without its noticing. */
  private async keepAlive(): Promise<void> {
    const attempts = [...this.running.keys()].filter(({ isDeferred: isElsewhere }) => !isElsewhere);
    const claims = attempts.map(({ claim }) => claim);
    const lost = new Set(await this.queue.keepAlive([...claims, ...this.ahead]));
    this.ahead = this.ahead.filter((claim) => !lost.has(claim));
    for (const attempt of attempts)
      // What has ended meanwhile has lost its job because it is done.
      if (lost.has(attempt.claim) && this.isUnderWay(attempt)) this.lose(attempt);
    this.normalShare.isDue = await this.queue.hasAgedNormalOrder();
  }

  private isUnderWay(attempt: RunningAttempt): boolean {
    return this.running.has(attempt) && !this.settling.has(attempt);
  }

  private lose(attempt: RunningAttempt): void {
    const { orderId } = attempt.claim;
    this.logger.warn({
      orderId,
      message: 'An order is in other hands: it was taken back from this worker, or moved by somebody',
    });
    attempt.end('lost');
  }

  /** One line when claims begin to fail and one when it is over. */
  private tell(error: unknown): void {
    const isFailing = error !== undefined;
    this.isQueueEmpty ||= isFailing; // until the next look
    if (isFailing && !this.isFailing)
      this.logger.error({ err: error, message: 'No order is started until this is over' });
    if (!isFailing && this.isFailing) this.logger.log('Orders are started again');
    this.isFailing = isFailing;
  }
}

/** The size of a claim is part of its statement, of which each connection keeps every form. */
function inFewSizes(count: number): number {
  return Math.max(0, count > CLAIM_STEP ? count - (count % CLAIM_STEP) : count);
}

async function isDoneWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  const waiting = new AbortController();
  const done = work.then(() => true);
  const late = pause(ms, false, { signal: waiting.signal }).catch(() => false);
  const isDone = await Promise.race([done, late]);
  waiting.abort();
  return isDone;
}
