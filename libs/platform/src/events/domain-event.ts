/** A journal payload: what the entity looked like before and after, as far as it changed. */
export interface EventData {
  readonly before?: Readonly<Record<string, unknown>>;
  readonly after: Readonly<Record<string, unknown>>;
  readonly reason?: string;
}

/** Who caused a change, and by which request. */
export interface EventOrigin {
  readonly actor: string;
  readonly requestId: string;
}

/**
 * Something that happened to one entity: past tense, plain data. A class per event, so that handlers can name it.
 * Every event becomes exactly one journal row in the transaction that made the change.
 */
export abstract class DomainEvent {
  /** `order.placed`: entity and past participle, lower snake case. */
  abstract readonly type: string;
  abstract readonly entityType: string;

  constructor(
    readonly entityId: string,
    /** The entity's version after the change; null for an entity that has none. */
    readonly version: number | null,
    /** By the database clock, ISO 8601 UTC with milliseconds. */
    readonly occurredAt: string,
    readonly origin: EventOrigin,
    readonly data: EventData,
  ) {}
}
