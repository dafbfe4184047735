import { Injectable } from '@nestjs/common';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

import type { PlacementOutcome } from './exchange-gateway.js';

/** What the venue is asked. */
export const VENUE_REQUESTS = ['place', 'cancel', 'find'] as const;
export type VenueRequest = (typeof VENUE_REQUESTS)[number];

/** Closed: requests go to the venue. Open: none does. Half open: one does, to see. */
export const CIRCUIT_STATES = ['closed', 'half_open', 'open'] as const;
export type CircuitStateName = (typeof CIRCUIT_STATES)[number];

const PLACEMENT_OUTCOMES: readonly PlacementOutcome['kind'][] = [
  'accepted',
  'refused',
  'unavailable',
  'unknown',
];
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** How this process gets on with the venue. */
@Injectable()
export class VenueMetrics {
  private readonly placements: Counter;
  private readonly durations: Histogram;
  private readonly circuit: Gauge;

  constructor(registry: Registry) {
    const registers = [registry];
    this.placements = new Counter({
      name: 'daybook_exchange_placements_total',
      help: 'How many attempts of this process to place an order at the venue have ended, by their outcome.',
      labelNames: ['outcome'],
      registers,
    });
    this.durations = new Histogram({
      name: 'daybook_exchange_request_duration_seconds',
      help: 'How long the venue took to answer a request of this process, or was waited for in vain.',
      labelNames: ['request', 'outcome'],
      buckets: SECONDS,
      registers,
    });
    this.circuit = new Gauge({
      name: 'daybook_exchange_circuit',
      help: '1 for the state that the circuit breaker of this process before the venue is in, 0 for the others.',
      labelNames: ['state'],
      registers,
    });
    // A counter that is not there before its first increase hides that increase from rate().
    for (const outcome of PLACEMENT_OUTCOMES) this.placements.inc({ outcome }, 0);
    this.circuitIs('closed');
  }

  placed(outcome: PlacementOutcome['kind']): void {
    this.placements.inc({ outcome });
  }

  answered(request: VenueRequest, outcome: string, seconds: number): void {
    this.durations.observe({ request, outcome }, seconds);
  }

  circuitIs(current: CircuitStateName): void {
    for (const state of CIRCUIT_STATES) this.circuit.set({ state }, state === current ? 1 : 0);
  }
}
