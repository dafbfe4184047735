import { setTimeout as pause } from 'node:timers/promises';

import { Logger } from '@nestjs/common';

import { type HeldLease, LeaseOvertaken } from '@daybook/platform';

import { Backoff } from '../backoff.js';
import type { ExecutionBus } from '../execution-bus.js';
import type { ExecutionOffsets } from '../execution-offsets.js';
import { StateLog } from '../state-log.js';
import type { StreamMetrics } from '../stream-metrics.js';
import { type ApplyStretches, OffsetMoved, type PartBatch } from './apply-stretches.js';
import { BatchSize } from './batch-size.js';
import { nextBatch } from './next-batch.js';
import { isPoison, poisonReason } from './poison.js';

const LOOK_FOR_LOST_MS = 250;

/** What the parts of one process share. */
export interface PartCompany {
  readonly venue: string;
  readonly bus: ExecutionBus;
  readonly offsets: ExecutionOffsets;
  readonly applying: ApplyStretches;
  readonly metrics: StreamMetrics;
  /** Runs the work when one of few turns is free. */
  inTurn<T>(work: () => Promise<T>): Promise<T>;
  /** Resolves when something may have come for this part. */
  arrival(partition: number): Promise<void>;
}

type StepEnd =
  /** There may be more. */
  | 'moving'
  | 'nothing'
  /** What comes next is not on the bus. */
  | 'gap';

/** Applies one part of the stream for as long as this process holds it: batch after batch, each in a transaction. */
export class PartWorker {
  /** Resolves when nothing more is done; never rejects. */
  readonly ended: Promise<void>;
  private readonly logger = new Logger('Executions');
  private readonly log: StateLog;
  private readonly stopping = new AbortController();
  private readonly backoff = new Backoff();
  private readonly size = new BatchSize();
  /** Undefined when that has to be read. */
  private applied: number | undefined;
  private hasGap = false;

  /** @param lost is told when somebody else has the part */
  constructor(
    readonly partition: number,
    readonly lease: HeldLease,
    private readonly company: PartCompany,
    private readonly lost: () => void,
  ) {
    this.log = new StateLog(
      this.logger,
      `Nothing of part ${partition} is applied until this is over`,
      `Part ${partition} is applied again`,
    );
    this.ended = this.run();
  }

  /** Begins nothing more. */
  stop(): void {
    this.stopping.abort();
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      try {
        const found = await this.company.inTurn(() => this.step());
        this.backoff.succeed();
        this.log.succeed();
        // Outside of its turn: whoever only waits keeps nobody from working.
        if (found === 'nothing' && !signal.aborted) await this.company.arrival(this.partition);
        if (found === 'gap') await pause(LOOK_FOR_LOST_MS);
      } catch (error) {
        this.applied = undefined;
        if (error instanceof LeaseOvertaken) return this.lost();
        // Somebody else was faster, or this process in a transaction whose end it did not hear of.
        if (error instanceof OffsetMoved) continue;
        this.log.fail(error);
        this.size.gaveUp();
        await this.backoff.wait(signal);
      }
    }
  }

  /** Applies what has come, one batch of it. */
  private async step(): Promise<StepEnd> {
    if (this.stopping.signal.aborted) return 'nothing';
    const { venue, bus, offsets } = this.company;
    const { partition } = this;
    this.applied ??= (await offsets.read(venue))[partition]?.applied ?? 0;
    const stretches = await bus.take(partition, this.applied, this.size.limit);
    const next = nextBatch(this.applied, stretches, this.size.most);
    if (next === 'nothing') return next;
    if (next === 'gap') {
      await this.wantAgain(this.applied);
      return next;
    }
    this.hasGap = false;
    const startedAt = performance.now();
    if (!(await this.apply({ venue, partition, lease: this.lease, ...next }))) return 'moving';
    const tookMs = performance.now() - startedAt;
    this.size.succeeded(next.reports.length, tookMs);
    this.company.metrics.batchEnded(next.reports.length, tookMs / 1_000);
    this.applied = next.through;
    await bus.acknowledge(partition, next.through);
    return 'moving';
  }

  /** Applies it, or finds out which of its reports is in the way. @returns false: fewer at a time are to be tried, at once */
  private async apply(batch: PartBatch): Promise<boolean> {
    try {
      this.company.metrics.applied(await this.company.applying.apply(batch));
    } catch (error) {
      const [report] = batch.reports;
      if (report === undefined || !isPoison(error)) throw error;
      const { partition } = this;
      if (batch.reports.length > 1) {
        if (this.size.most === Infinity)
          this.logger.warn({ err: error, partition, message: 'A report is in the way, and looked for' });
        this.size.failed(batch.reports.length);
        return false;
      }
      this.logger.error({ err: error, partition, execId: report.execId, message: 'A report is quarantined' });
      const refused = { report, reason: poisonReason(error) };
      this.company.metrics.applied(await this.company.applying.quarantine(batch, refused));
    }
    return true;
  }

  /** What comes next is not on the bus: has the venue send it again. */
  private async wantAgain(applied: number): Promise<void> {
    const { partition } = this;
    if (!this.hasGap) this.logger.warn({ partition, applied, message: 'Executions were lost on their way' });
    this.hasGap = true;
    await this.company.offsets.noteLost(this.company.venue, partition, applied);
  }
}
