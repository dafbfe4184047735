import { DomainEvent, type EventOrigin } from '@daybook/platform';

import type { QueueName } from './queue-names.js';

/** From now on no worker takes an order. */
export class QueuePaused extends DomainEvent {
  readonly type = 'queue.paused';
  readonly entityType = 'queue';

  constructor(queue: QueueName, at: Date, origin: EventOrigin) {
    super(queue, null, at.toISOString(), origin, { before: { paused: false }, after: { paused: true } });
  }
}

/** Workers start orders again. */
export class QueueResumed extends DomainEvent {
  readonly type = 'queue.resumed';
  readonly entityType = 'queue';

  constructor(queue: QueueName, at: Date, origin: EventOrigin) {
    super(queue, null, at.toISOString(), origin, { before: { paused: true }, after: { paused: false } });
  }
}
