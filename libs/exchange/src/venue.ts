import { Inject, Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import {
  bulkhead,
  BulkheadRejectedError,
  circuitBreaker,
  CircuitState,
  CountBreaker,
  ExponentialBackoff,
  handleWhenResult,
} from 'cockatiel';

import { CONFIG, type DaybookConfig, Overloaded } from '@daybook/platform';

import {
  type CancelOutcome,
  EXCHANGE_GATEWAY,
  type ExchangeGateway,
  type Finding,
  type PlacementOutcome,
} from './exchange-gateway.js';
import type { ExchangeOrder } from './exchange-order.entity.js';
import { ExchangeNotConfigured } from './exchange-order.errors.js';
import { NoVenue } from './gateways/no-venue.js';
import { type CircuitStateName, VenueMetrics, type VenueRequest } from './venue-metrics.js';

// Half of the last requests came to nothing: one refusal in ten of a shaky venue is far from that, and with fewer than
// twenty seen nothing can be told.
const SAMPLE = { threshold: 0.5, size: 50, minimumNumberOfCalls: 20 };
// The longest is how late it is noticed, at most, that the venue is back.
const REST = { initialDelay: 1_000, maxDelay: 10_000 };
const WAITING_IN_BACKGROUND = 1_000;

const STATE_NAMES: Readonly<Record<CircuitState, CircuitStateName>> = {
  [CircuitState.Closed]: 'closed',
  [CircuitState.HalfOpen]: 'half_open',
  [CircuitState.Open]: 'open',
  [CircuitState.Isolated]: 'open',
};

/** How many requests are made in the background, beside so many placements. */
export function backgroundShare(connections: number): number {
  return Math.ceil(connections / 2);
}

interface Unavailable {
  readonly kind: 'unavailable';
  readonly reason: string;
}

/**
 * The venue as the use cases see it: each request with a deadline, few at a time, and none while the circuit breaker is
 * open. Requests never throw, as those of the {@link ExchangeGateway}; never call one inside a transaction.
 */
@Injectable()
export class Venue implements OnModuleDestroy {
  private readonly logger = new Logger('Exchange');
  private readonly placing;
  private readonly background;
  private readonly breaker = circuitBreaker(
    handleWhenResult((outcome) => isFailure(outcome as { readonly kind: string })),
    { breaker: new CountBreaker(SAMPLE), halfOpenAfter: new ExponentialBackoff(REST) },
  );

  private isStopping = false;

  constructor(
    @Inject(EXCHANGE_GATEWAY) private readonly gateway: ExchangeGateway,
    @Inject(CONFIG) private readonly config: DaybookConfig,
    private readonly metrics: VenueMetrics,
  ) {
    const { connections } = config.exchange;
    this.placing = bulkhead(connections, connections);
    this.background = bulkhead(backgroundShare(connections), WAITING_IN_BACKGROUND);
    this.breaker.onStateChange((state) => this.tell(STATE_NAMES[state]));
  }

  get name(): string {
    return this.gateway.venue;
  }

  get isConfigured(): boolean {
    return !(this.gateway instanceof NoVenue);
  }

  /** @throws {ExchangeNotConfigured} */
  refuseIfThereIsNone(): void {
    if (!this.isConfigured) throw new ExchangeNotConfigured();
  }

  /** False while the circuit breaker lets hardly anything through. */
  get isReachable(): boolean {
    return this.breaker.state === CircuitState.Closed;
  }

  /** How many requests are made in the background at a time. */
  get backgroundSlots(): number {
    return backgroundShare(this.config.exchange.connections);
  }

  /** How much more may be asked for {@link inBackground} now. */
  get backgroundRoom(): number {
    return this.background.executionSlots + this.background.queueSlots;
  }

  /**
   * Does `work`, which commits an order and then places it, as soon as there is a connection for it.
   * @throws {Overloaded} when too many wait already
   * @throws {ExchangeNotConfigured}
   */
  async whenFree<T>(work: () => Promise<T>): Promise<T> {
    this.refuseIfThereIsNone();
    try {
      return await this.placing.execute(work);
    } catch (error) {
      throw error instanceof BulkheadRejectedError
        ? new Overloaded('More orders wait for the venue than it takes in good time. Nothing was done.')
        : error;
    }
  }

  /**
   * What still waits in the background is not begun any more: another process does it. Before the hooks of those who wait for
   * the rest.
   */
  onModuleDestroy(): void {
    this.isStopping = true;
  }

  /**
   * As {@link whenFree}, for what nobody waits for; undefined, and not done, when too much of it waits, or the process stops
   * before it has its turn.
   */
  async inBackground<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await this.background.execute(async () => (this.isStopping ? undefined : await work()));
    } catch (error) {
      if (error instanceof BulkheadRejectedError) return undefined;
      throw error;
    }
  }

  async place(order: ExchangeOrder): Promise<PlacementOutcome> {
    const outcome = await this.ask('place', (gateway, signal) => gateway.place(order, signal));
    this.metrics.placed(outcome.kind);
    return outcome;
  }

  cancel(order: ExchangeOrder): Promise<CancelOutcome> {
    return this.ask('cancel', (gateway, signal) => gateway.cancel(order, signal));
  }

  find(order: ExchangeOrder): Promise<Finding> {
    return this.ask('find', (gateway, signal) => gateway.find(order, signal));
  }

  private async ask<T extends { readonly kind: string }>(
    request: VenueRequest,
    send: (gateway: ExchangeGateway, signal: AbortSignal) => Promise<T>,
  ): Promise<T | Unavailable> {
    // While one request finds out whether the venue is back, the breaker would keep the others waiting for that.
    if (this.breaker.state === CircuitState.HalfOpen) return CUT_OFF;
    try {
      return await this.breaker.execute(() => this.timed(request, send));
    } catch (error) {
      if ((error as { isBrokenCircuitError?: boolean }).isBrokenCircuitError === true) return CUT_OFF;
      throw error;
    }
  }

  private async timed<T extends { readonly kind: string }>(
    request: VenueRequest,
    send: (gateway: ExchangeGateway, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const since = performance.now();
    const outcome = await send(this.gateway, AbortSignal.timeout(this.config.exchange.timeoutMs));
    this.metrics.answered(request, outcome.kind, (performance.now() - since) / 1000);
    return outcome;
  }

  private tell(state: CircuitStateName): void {
    this.metrics.circuitIs(state);
    const message = `The circuit breaker before the venue is ${state.replace('_', ' ')}`;
    if (state === 'open') this.logger.warn({ state, message });
    else this.logger.log({ state, message });
  }
}

const CUT_OFF: Unavailable = {
  kind: 'unavailable',
  reason: 'The venue has not answered as it should for a while, so it is not asked for now.',
};

/** A refusal is an answer like any other; what never came, or tells of trouble, is a failure. */
function isFailure({ kind }: { readonly kind: string }): boolean {
  return kind === 'unavailable' || kind === 'unknown';
}
