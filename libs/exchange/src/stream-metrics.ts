import { Injectable } from '@nestjs/common';
import { Counter, Histogram, Registry } from 'prom-client';

const OUTCOMES = ['recorded', 'duplicates', 'parked', 'quarantined'] as const;
const REPORTS = [1, 10, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000];
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** What this process has received and applied of the stream. */
@Injectable()
export class StreamMetrics {
  private readonly receivedReports: Counter;
  private readonly connections: Counter;
  private readonly appliedReports: Counter;
  private readonly sizes: Histogram;
  private readonly durations: Histogram;

  constructor(registry: Registry) {
    const registers = [registry];
    this.receivedReports = new Counter({
      name: 'daybook_exchange_reports_received_total',
      help: 'How many execution reports this process has received in order and published, those that it had to ask for again included.',
      registers,
    });
    this.connections = new Counter({
      name: 'daybook_exchange_stream_connections_total',
      help: 'How often this process has begun to read the stream of execution reports, at its start or again.',
      registers,
    });
    this.appliedReports = new Counter({
      name: 'daybook_exchange_reports_applied_total',
      help: 'How many execution reports this process has applied, by what they came to.',
      labelNames: ['outcome'],
      registers,
    });
    this.sizes = new Histogram({
      name: 'daybook_exchange_batch_size',
      help: 'How many execution reports were applied together.',
      buckets: REPORTS,
      registers,
    });
    this.durations = new Histogram({
      name: 'daybook_exchange_batch_duration_seconds',
      help: 'How long it took to apply a batch of execution reports.',
      buckets: SECONDS,
      registers,
    });
    // A counter that is not there before its first increase hides that increase from rate().
    for (const outcome of OUTCOMES) this.appliedReports.inc({ outcome }, 0);
  }

  connected(): void {
    this.connections.inc();
  }

  received(reports: number): void {
    this.receivedReports.inc(reports);
  }

  applied(counts: Readonly<Record<(typeof OUTCOMES)[number], number>>): void {
    for (const outcome of OUTCOMES) this.appliedReports.inc({ outcome }, counts[outcome]);
  }

  batchEnded(reports: number, seconds: number): void {
    this.sizes.observe(reports);
    this.durations.observe(seconds);
  }
}
