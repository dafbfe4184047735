import { DomainEvent, type EventData, type EventOrigin } from '@daybook/platform';

import { avgPriceCents, type ExchangeOrder } from './exchange-order.entity.js';
import type { ExchangeOrderStatus } from './exchange-order-status.js';

export class ExchangeOrderPlaced extends DomainEvent {
  readonly type = 'exchange_order.placed';
  readonly entityType = 'exchange_order';

  constructor(order: ExchangeOrder, origin: EventOrigin) {
    const { id, version, placedAt, status, customerId, venue, instrument, side, quantity, limitPriceCents } =
      order;
    super(id, version, placedAt.toISOString(), origin, {
      after: { status, customerId, venue, instrument, side, type: order.type, quantity, limitPriceCents },
    });
  }
}

/** `data.before.status` and `data.after.status` name the move, which no execution has caused. */
export class ExchangeOrderStatusChanged extends DomainEvent<StatusChangeData> {
  readonly type = 'exchange_order.status_changed';
  readonly entityType = 'exchange_order';

  /** @param order as it is after the move */
  constructor(order: ExchangeOrder, from: ExchangeOrderStatus, origin: EventOrigin) {
    const { id, version, updatedAt, status, reason } = order;
    super(id, version, updatedAt.toISOString(), origin, {
      before: { status: from },
      after: { status },
      ...(reason !== null && { reason }),
    });
  }
}

interface StatusChangeData extends EventData {
  readonly before: { readonly status: ExchangeOrderStatus };
  readonly after: { readonly status: ExchangeOrderStatus };
}

/** What the venue has reported, one report or several at once, as far as it was new. */
export class ExchangeOrderExecuted extends DomainEvent {
  readonly type = 'exchange_order.executed';
  readonly entityType = 'exchange_order';

  /** @param after as it is with these executions */
  constructor(before: ExchangeOrder, after: ExchangeOrder, execIds: readonly string[], origin: EventOrigin) {
    super(after.id, after.version, after.updatedAt.toISOString(), origin, {
      before: { status: before.status, cumQuantity: before.cumQuantity },
      after: {
        status: after.status,
        cumQuantity: after.cumQuantity,
        avgPriceCents: avgPriceCents(after),
        execIds,
      },
      ...(after.reason !== null && after.reason !== before.reason && { reason: after.reason }),
    });
  }
}
