import { EventsHandler, type IEventHandler } from '@nestjs/cqrs';
import { Counter, Histogram, Registry } from 'prom-client';

import { ATTEMPT_OUTCOMES, OrderStatusChanged } from '@daybook/orders';

const SECONDS = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800];

/** Counts how attempts to process orders ended, once that is committed, in the process that settled them. */
@EventsHandler(OrderStatusChanged)
export class AttemptMetrics implements IEventHandler<OrderStatusChanged> {
  private readonly ended: Counter;
  private readonly durations: Histogram;

  constructor(registry: Registry) {
    this.ended = new Counter({
      name: 'daybook_attempts_ended_total',
      help: 'How many attempts to process an order this process has settled, by their outcome.',
      labelNames: ['outcome'],
      registers: [registry],
    });
    this.durations = new Histogram({
      name: 'daybook_attempt_duration_seconds',
      help: 'How long attempts took from their start to their outcome.',
      labelNames: ['outcome'],
      buckets: SECONDS,
      registers: [registry],
    });
    // A counter that is not there before its first increase hides that increase from rate().
    for (const outcome of ATTEMPT_OUTCOMES) this.ended.inc({ outcome }, 0);
  }

  handle({ data: { attempt } }: OrderStatusChanged): void {
    if (attempt?.outcome === undefined) return;
    const { outcome, durationMs } = attempt;
    this.ended.inc({ outcome });
    if (durationMs !== undefined) this.durations.observe({ outcome }, durationMs / 1000);
  }
}
