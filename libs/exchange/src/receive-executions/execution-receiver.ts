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

import { CONFIG, type DaybookConfig, type HeldLease, Leases } from '@daybook/platform';

import { Backoff } from '../backoff.js';
import { EXCHANGE_GATEWAY, type ExchangeGateway } from '../exchange-gateway.js';
import { EXECUTION_BUS, type ExecutionBus } from '../execution-bus.js';
import { ExecutionOffsets } from '../execution-offsets.js';
import { NoVenue } from '../gateways/no-venue.js';
import { StateLog } from '../state-log.js';
import { StreamMetrics } from '../stream-metrics.js';
import { StreamRun } from './stream-run.js';

const BEAT_MS = 1_000;
const LEASE_SECONDS = 5;
const FAREWELL_MS = 10_000;
/** Longer than a beat, so that another one that stands by comes first. */
const STEP_ASIDE_MS = 3 * BEAT_MS;

/**
 * Reads the venue's stream and passes it on. Of all processes that could, one does, under a lease; when it is gone, another
 * goes on where the bus ends. Two at once, for the moment in which one does not know yet that it has been overtaken, do no
 * harm: they publish the same stretches, and what is applied is not applied again.
 */
@Injectable()
export class ExecutionReceiver implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Executions');
  private readonly holder = `${hostname()}/${process.pid}/${randomUUID().slice(0, 8)}`;
  private readonly log = new StateLog(
    this.logger,
    'No execution is received until this is over',
    'Executions are received again',
  );
  private readonly stopping = new AbortController();
  private readonly backoff = new Backoff();
  private running: Promise<void> | undefined;
  private failingSince: number | undefined;
  /** How long it may come to nothing before another one may try: perhaps only this process cannot reach the venue. */
  patienceMs = 10_000;

  constructor(
    @Inject(CONFIG) private readonly config: DaybookConfig,
    private readonly leases: Leases,
    @Inject(EXECUTION_BUS) private readonly bus: ExecutionBus,
    private readonly offsets: ExecutionOffsets,
    private readonly metrics: StreamMetrics,
    @Inject(EXCHANGE_GATEWAY) private readonly gateway: ExchangeGateway,
  ) {}

  onApplicationBootstrap(): void {
    if (!this.config.roles.includes('receiver') || this.gateway instanceof NoVenue) return;
    this.running = this.run(this.gateway);
  }

  /** For whoever closes the application without draining it before: nothing may go on when the database is gone. */
  beforeApplicationShutdown(): Promise<void> {
    return this.drain();
  }

  /** Reads nothing more, and publishes what has been read. */
  async drain(): Promise<void> {
    this.stopping.abort();
    // Bounded: a database that has gone silent must not keep the process. The venue sends it again.
    await Promise.race([this.running, pause(FAREWELL_MS, undefined, { ref: false })]);
  }

  private async run(gateway: ExchangeGateway): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      try {
        const lease = await this.leases.claim(
          `executions/${gateway.venue}/receiver`,
          this.holder,
          LEASE_SECONDS,
        );
        if (lease !== undefined) {
          await this.receiveUnder(lease, gateway);
          await pause(STEP_ASIDE_MS, undefined, { signal }).catch(() => undefined);
        }
      } catch (error) {
        this.log.fail(error);
      }
      await pause(BEAT_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  private async receiveUnder(lease: HeldLease, gateway: ExchangeGateway): Promise<void> {
    const ending = new AbortController();
    const end = () => ending.abort();
    this.stopping.signal.addEventListener('abort', end);
    const keeping = this.keep(lease, ending);
    this.failingSince = undefined;
    try {
      while (!ending.signal.aborted && !this.stopping.signal.aborted && !this.isHopeless)
        await this.receive(gateway, ending.signal);
    } finally {
      this.stopping.signal.removeEventListener('abort', end);
      ending.abort();
      await keeping;
      await this.leases.release(lease);
    }
  }

  /** Renews the lease, and ends the work when that fails for so long that somebody else may have it. Never rejects. */
  private async keep(lease: HeldLease, ending: AbortController): Promise<void> {
    const { signal } = ending;
    let heldUntil = performance.now() + LEASE_SECONDS * 1_000;
    for (;;) {
      await pause(BEAT_MS, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        const askedAt = performance.now();
        if ((await this.leases.renew([lease])).size === 0) return ending.abort();
        heldUntil = askedAt + LEASE_SECONDS * 1_000;
      } catch (error) {
        this.log.fail(error);
        if (performance.now() >= heldUntil) return ending.abort();
      }
    }
  }

  /** One connection. Never rejects. */
  private async receive(gateway: ExchangeGateway, signal: AbortSignal): Promise<void> {
    let hasProgress = false;
    try {
      const run = new StreamRun(gateway, this.bus, this.offsets, this.metrics);
      const end = await run.run(signal, () => {
        hasProgress = true;
        this.failingSince = undefined;
        this.log.succeed();
        this.backoff.succeed();
      });
      if (end === 'lost') this.logger.warn('The bus has lost executions: the venue sends them again');
      // What is missing is asked for at once; when that has brought nothing, it will not be different in a moment.
      if (end === 'gap' && hasProgress) return;
      if (end === 'gap')
        this.log.fail(new Error(`The venue does not send report ${run.missing}, only later ones`));
    } catch (error) {
      this.log.fail(error);
    }
    this.failingSince ??= performance.now();
    if (!signal.aborted) await this.backoff.wait(signal);
  }

  private get isHopeless(): boolean {
    return this.failingSince !== undefined && performance.now() - this.failingSince >= this.patienceMs;
  }
}
