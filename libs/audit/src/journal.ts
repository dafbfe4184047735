import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import { DomainEvent, type HandlesInTransaction, InTransactionHandler, prepared } from '@daybook/platform';

const APPEND = `
  INSERT INTO journal (occurred_at, actor, request_id, type, entity_type, entity_id, version, data)
  SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int[],
    $8::jsonb[])`;

/** Writes down every event, in the transaction of the change: no change without its row, no row without its change. */
@Injectable()
@InTransactionHandler(DomainEvent)
export class Journal implements HandlesInTransaction {
  async handle(events: readonly DomainEvent[], manager: EntityManager): Promise<void> {
    await prepared(manager, 'journal/append', APPEND, [
      events.map(({ occurredAt }) => occurredAt),
      events.map(({ origin }) => origin.actor),
      events.map(({ origin }) => origin.requestId),
      events.map(({ type }) => type),
      events.map(({ entityType }) => entityType),
      events.map(({ entityId }) => entityId),
      events.map(({ version }) => version),
      events.map(({ data }) => JSON.stringify(data)),
    ]);
  }
}
