import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import {
  DomainEvent,
  type HandlesInTransaction,
  InTransactionHandler,
  numberColumn,
  prepared,
  textColumn,
  textsIn,
} from '@daybook/platform';

// WHERE comes before the position: whoever has one has a transaction id already. The event feed relies on that
// (docs/adr/0014), and without it a transaction that begins with this statement would get its id afterwards.
const APPEND = `
  INSERT INTO journal (occurred_at, actor, request_id, type, entity_type, entity_id, version, data)
  SELECT * FROM unnest(${textsIn('$1')}::timestamptz[], ${textsIn('$2')}, ${textsIn('$3')}, ${textsIn('$4')}, ${textsIn('$5')},
    ${textsIn('$6')}, $7::int[], ${textsIn('$8')}::jsonb[])
  WHERE pg_current_xact_id() IS NOT NULL`;

/** Writes down every event, in the transaction of the change: no change without its row, no row without its change. */
@Injectable()
@InTransactionHandler(DomainEvent)
export class Journal implements HandlesInTransaction {
  async handle(events: readonly DomainEvent[], manager: EntityManager): Promise<void> {
    await prepared(manager, 'journal/append', APPEND, [
      textColumn(events.map(({ occurredAt }) => occurredAt)),
      textColumn(events.map(({ origin }) => origin.actor)),
      textColumn(events.map(({ origin }) => origin.requestId)),
      textColumn(events.map(({ type }) => type)),
      textColumn(events.map(({ entityType }) => entityType)),
      textColumn(events.map(({ entityId }) => entityId)),
      numberColumn(events.map(({ version }) => version)),
      textColumn(events.map(({ data }) => JSON.stringify(data))),
    ]);
  }
}
