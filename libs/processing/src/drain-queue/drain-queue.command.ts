import { setTimeout as pause } from 'node:timers/promises';

import { Inject } from '@nestjs/common';
import { Command, CommandBus, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { DataSource } from 'typeorm';

import { Readiness, type RequestContext } from '@daybook/platform';

import { PauseQueue } from '../pause-queue/pause-queue.command.js';
import { countActive } from '../queue-figures.js';
import type { DrainedQueueResponse, DrainQueueRequest } from './drain-queue.dto.js';

const LOOK_EVERY_MS = 200;

/** Pauses a queue and waits until what is under way has ended. @throws {NotFound} {QueueNotWorkedOff} */
export class DrainQueue extends Command<DrainedQueueResponse> {
  constructor(
    readonly name: string,
    readonly input: DrainQueueRequest,
    readonly context: RequestContext,
  ) {
    super();
  }
}

@CommandHandler(DrainQueue)
export class DrainQueueHandler implements ICommandHandler<DrainQueue> {
  constructor(
    private readonly commands: CommandBus,
    @Inject(DataSource) private readonly database: DataSource,
    private readonly readiness: Readiness,
  ) {}

  /** A server that stops does not wait: its workers hand back what they have, and somebody may ask another server. */
  async execute({ name, input: { waitSeconds = 30 }, context }: DrainQueue): Promise<DrainedQueueResponse> {
    await this.commands.execute(new PauseQueue(name, true, context));
    const until = performance.now() + waitSeconds * 1_000;
    for (;;) {
      const active = await countActive(this.database.manager);
      if (active === 0) return { drained: true, active };
      const leftMs = until - performance.now();
      if (leftMs <= 0 || this.readiness.isStopping) return { drained: false, active };
      await pause(Math.min(leftMs, LOOK_EVERY_MS));
    }
  }
}
