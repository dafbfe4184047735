import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';

import { ORDERS_QUEUE } from '../queue-names.js';
import { type QueueFigures, QueueFiguresReader } from '../queue-figures.js';
import { type QueueResponse, toQueueStateResponse } from '../queue.dto.js';

/** The queues by name, each with what lies in it. */
export class ListQueues extends Query<QueueResponse[]> {}

@QueryHandler(ListQueues)
export class ListQueuesHandler implements IQueryHandler<ListQueues> {
  constructor(private readonly figures: QueueFiguresReader) {}

  async execute(): Promise<QueueResponse[]> {
    return (await this.figures.read()).map(toQueueResponse);
  }
}

function toQueueResponse(figures: QueueFigures): QueueResponse {
  const { readyHigh, readyNormal, retryingHigh, retryingNormal, depth, active, dead, oldestSeconds } =
    figures;
  const shares = [
    { priority: 'high', ready: readyHigh, retrying: retryingHigh },
    { priority: 'normal', ready: readyNormal, retrying: retryingNormal },
  ] as const;
  return {
    ...toQueueStateResponse(figures),
    depth,
    ready: readyHigh + readyNormal,
    retrying: retryingHigh + retryingNormal,
    byPriority: figures.name === ORDERS_QUEUE ? shares : [],
    active,
    dead,
    oldestSeconds,
  };
}
