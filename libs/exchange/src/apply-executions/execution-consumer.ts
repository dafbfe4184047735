import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';

import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { DataSource } from 'typeorm';

import { CONFIG, type DaybookConfig, Leases, SharedLeases } from '@daybook/platform';

import { EXCHANGE_GATEWAY, type ExchangeGateway } from '../exchange-gateway.js';
import { EXECUTION_BUS, type ExecutionBus, PARTITIONS } from '../execution-bus.js';
import { ExecutionOffsets } from '../execution-offsets.js';
import { NoVenue } from '../gateways/no-venue.js';
import { StateLog } from '../state-log.js';
import { StreamMetrics } from '../stream-metrics.js';
import { ApplyStretches } from './apply-stretches.js';
import { ParkedReports } from './parked-reports.js';
import { type PartCompany, PartWorker } from './part-worker.js';
import { Turns } from './turns.js';
import { WaitingParts } from './waiting-parts.js';

const BEAT_MS = 1_000;
/** Transactions at a time: while the database works at some, this process prepares the next. */
const AT_A_TIME = 2;
const FAREWELL_MS = 10_000;

/**
 * Applies the stream. The processes that do share its parts: about once a second each looks how many they are, gives up what is
 * more than its share, and takes what nobody holds.
 */
@Injectable()
export class ExecutionConsumer implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Executions');
  private readonly log = new StateLog(
    this.logger,
    'No execution may be applied here until this is over',
    'Executions may be applied again',
  );
  private readonly workers = new Map<number, PartWorker>();
  private readonly stopping = new AbortController();
  private readonly turns = new Turns(AT_A_TIME);
  private readonly shared: SharedLeases;
  private beating: Promise<void> | undefined;
  private sweeping: Promise<void> | undefined;

  constructor(
    @Inject(CONFIG) private readonly config: DaybookConfig,
    @Inject(DataSource) database: DataSource,
    leases: Leases,
    @Inject(EXECUTION_BUS) private readonly bus: ExecutionBus,
    private readonly offsets: ExecutionOffsets,
    private readonly applying: ApplyStretches,
    private readonly parked: ParkedReports,
    private readonly metrics: StreamMetrics,
    @Inject(EXCHANGE_GATEWAY) private readonly gateway: ExchangeGateway,
  ) {
    const holder = `${hostname()}/${process.pid}/${randomUUID().slice(0, 8)}`;
    this.shared = new SharedLeases(leases, database, `executions/${gateway.venue}`, PARTITIONS, holder);
  }

  onApplicationBootstrap(): void {
    if (!this.config.roles.includes('consumer') || this.gateway instanceof NoVenue) return;
    this.beating = this.keepBeating(this.companyFor(this.gateway.venue));
  }

  /** For whoever closes the application without draining it before: nothing may go on when the database is gone. */
  beforeApplicationShutdown(): Promise<void> {
    return this.drain();
  }

  /** Ends what is being applied, and hands all parts over. */
  async drain(): Promise<void> {
    if (this.stopping.signal.aborted || this.beating === undefined) return;
    this.stopping.abort();
    for (const worker of this.workers.values()) worker.stop();
    // Bounded: a database that has gone silent must not keep the process. The leases run out by themselves.
    await Promise.race([this.handOver(), pause(FAREWELL_MS, undefined, { ref: false })]);
  }

  private async handOver(): Promise<void> {
    const ended = [...this.workers.values()].map((worker) => worker.ended);
    await Promise.all([...ended, this.beating, this.sweeping]);
    try {
      await this.shared.leave();
    } catch (error) {
      this.logger.warn({ err: error, message: 'The parts of the stream were not handed over' });
    }
  }

  private async keepBeating(company: PartCompany): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      try {
        const surplus = await this.shared.beat();
        if (signal.aborted) return;
        this.assign(surplus, company);
        this.sweep(company.venue);
        this.log.succeed();
      } catch (error) {
        this.log.fail(error);
      }
      await pause(BEAT_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Begins what came, stops what was lost, and gives up what is too much. */
  private assign(surplus: readonly number[], company: PartCompany): void {
    const held = this.shared.all;
    for (const [partition, worker] of this.workers)
      if (held.get(partition)?.fence !== worker.lease.fence) this.end(worker);
    for (const partition of surplus) {
      const worker = this.workers.get(partition);
      if (worker === undefined) continue;
      worker.stop();
      void worker.ended.then(() => this.release(worker));
    }
    for (const [partition, lease] of held) {
      if (this.workers.has(partition) || surplus.includes(partition)) continue;
      const worker = new PartWorker(partition, lease, company, () => this.end(worker));
      this.workers.set(partition, worker);
    }
  }

  /** Somebody else has the part. */
  private end(worker: PartWorker): void {
    worker.stop();
    if (this.workers.get(worker.partition) === worker) this.workers.delete(worker.partition);
    if (this.shared.all.get(worker.partition)?.fence === worker.lease.fence)
      this.shared.lose(worker.partition);
  }

  private async release(worker: PartWorker): Promise<void> {
    if (this.workers.get(worker.partition) !== worker) return;
    this.workers.delete(worker.partition);
    try {
      await this.shared.release(worker.partition);
    } catch (error) {
      // It runs out instead.
      this.logger.warn({ err: error, message: 'A part of the stream was not handed over' });
    }
  }

  /** Whoever has the first part looks after the parked reports of all. */
  private sweep(venue: string): void {
    const lease = this.shared.all.get(0);
    if (lease === undefined || this.sweeping !== undefined) return;
    this.sweeping = this.parked.sweep(venue, lease, this.stopping.signal).finally(() => {
      this.sweeping = undefined;
    });
  }

  private companyFor(venue: string): PartCompany {
    const { bus, offsets, applying, metrics, turns, stopping } = this;
    const waiting = new WaitingParts(bus, stopping.signal);
    return {
      venue,
      bus,
      offsets,
      applying,
      metrics,
      inTurn: (work) => turns.run(work),
      arrival: (partition) => waiting.wait(partition),
    };
  }
}
