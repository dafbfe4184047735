import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

import {
  DatabaseUnavailable,
  type DomainError,
  type GroupCommitObserver,
  Overloaded,
  WritePath,
} from '@daybook/platform';

const COMMANDS = [1, 2, 5, 10, 25, 50, 100, 250];
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** How the write path gathers commands, and whether it keeps up. */
@Injectable()
export class GroupCommitMetrics implements GroupCommitObserver, OnModuleInit {
  private readonly sizes: Histogram;
  private readonly durations: Histogram;
  private readonly refusals: Counter;

  constructor(
    private readonly writePath: WritePath,
    registry: Registry,
  ) {
    const registers = [registry];
    this.sizes = new Histogram({
      name: 'daybook_group_commit_batch_size',
      help: 'How many commands were committed together.',
      labelNames: ['command'],
      buckets: COMMANDS,
      registers,
    });
    this.durations = new Histogram({
      name: 'daybook_group_commit_batch_duration_seconds',
      help: 'How long batches took from their start until their commands were answered, repetitions included.',
      labelNames: ['command'],
      buckets: SECONDS,
      registers,
    });
    this.refusals = new Counter({
      name: 'daybook_group_commit_refused_total',
      help: 'How many commands were refused for the state of the server or the database, not for what they asked.',
      labelNames: ['command', 'code'],
      registers,
    });
    new Gauge({
      name: 'daybook_group_commit_queue_length',
      help: 'How many commands wait for a transaction now.',
      labelNames: ['command'],
      registers,
      collect() {
        this.reset();
        for (const [command, waiting] of writePath.queueLengths) this.inc({ command }, waiting);
      },
    });
    writePath.observe(this);
  }

  /** A counter that is not there before its first increase hides that increase from rate(). */
  onModuleInit(): void {
    for (const [command] of this.writePath.queueLengths)
      for (const { code } of [new Overloaded(), new DatabaseUnavailable()])
        this.refusals.inc({ command, code }, 0);
  }

  batchEnded(command: string, size: number, seconds: number): void {
    this.sizes.observe({ command }, size);
    this.durations.observe({ command }, seconds);
  }

  turnedAway(command: string, commands: number, { code }: DomainError): void {
    this.refusals.inc({ command, code }, commands);
  }
}
