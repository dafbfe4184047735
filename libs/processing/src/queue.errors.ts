import { DomainError, NotFound } from '@daybook/platform';

import { ORDERS_QUEUE, type QueueName, QUEUES } from './queue-names.js';

/** What was asked for only makes sense for a queue that workers take orders from. */
export class QueueNotWorkedOff extends DomainError {
  readonly code = 'queue_not_worked_off';
  readonly status = 409;

  constructor(queue: QueueName) {
    super(
      `Nobody works ${queue} off: it keeps orders that have failed. What you ask for can be asked of ${ORDERS_QUEUE}.`,
      { queue, ask: ORDERS_QUEUE },
    );
  }
}

/** Passes for the queue that workers take orders from. @throws {NotFound} {@link QueueNotWorkedOff} */
export function refuseUnlessWorkedOff(name: string): void {
  const queue = QUEUES.find((known) => known === name);
  if (queue === undefined) throw new NotFound(`There is no queue ${name}.`);
  if (queue !== ORDERS_QUEUE) throw new QueueNotWorkedOff(queue);
}

/** It never failed in the hands of a worker, or was moved meanwhile. */
export class OrderNotDead extends DomainError {
  readonly code = 'not_dead';
  readonly status = 409;

  constructor(orderId: string) {
    super(`Order ${orderId} is not among the dead ones.`, { orderId });
  }
}
