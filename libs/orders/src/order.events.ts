import { DomainEvent } from '@daybook/platform';

export class OrderPlaced extends DomainEvent {
  readonly type = 'order.placed';
  readonly entityType = 'order';
}

/** `data.before.status` and `data.after.status` name the move. */
export class OrderStatusChanged extends DomainEvent {
  readonly type = 'order.status_changed';
  readonly entityType = 'order';
}
