import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { EntityManager } from 'typeorm';

import { businessNow, type RequestContext, WritePath } from '@daybook/platform';

import { ORDERS_QUEUE } from '../queue-names.js';
import {
  type QueueState,
  type QueueStateResponse,
  STATE_COLUMNS,
  toQueueStateResponse,
} from '../queue.dto.js';
import { refuseUnlessWorkedOff } from '../queue.errors.js';
import { QueuePaused, QueueResumed } from '../queue.events.js';
import { setQueuePaused } from '../queue-pause.js';

/**
 * Pauses a queue, or has it worked off again. Once a pause is answered no worker in any process takes an order; what has
 * been taken is worked off. A queue that is so already stays as it is.
 * @throws {NotFound} {QueueNotWorkedOff}
 */
export class PauseQueue extends Command<QueueStateResponse> {
  constructor(
    readonly name: string,
    readonly isPaused: boolean,
    readonly context: RequestContext,
  ) {
    super();
  }
}

@CommandHandler(PauseQueue)
export class PauseQueueHandler implements ICommandHandler<PauseQueue> {
  constructor(private readonly writePath: WritePath) {}

  async execute({ name, isPaused, context }: PauseQueue): Promise<QueueStateResponse> {
    refuseUnlessWorkedOff(name);
    const Event = isPaused ? QueuePaused : QueueResumed;
    return this.writePath.change(async (manager) => {
      const at = await businessNow(manager);
      const hasChanged = await setQueuePaused({ isPaused, at, by: context.actor }, manager);
      return {
        result: toQueueStateResponse(await readState(manager)),
        events: hasChanged ? [new Event(ORDERS_QUEUE, at, context)] : [],
      };
    });
  }
}

async function readState(manager: EntityManager): Promise<QueueState> {
  const [row] = (await manager.query(`SELECT ${STATE_COLUMNS} FROM order_queues queue WHERE name = $1`, [
    ORDERS_QUEUE,
  ])) as [QueueState];
  return row;
}
