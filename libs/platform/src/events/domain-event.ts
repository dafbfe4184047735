import type { TraceHeaders } from '../tracing/tracing.js';

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
  /** Not in the journal: for what an in-transaction handler starts. */
  readonly trace?: TraceHeaders | undefined;
}

/**
 * Something that happened to one entity: past tense, plain data. A class per event, so that handlers can name it.
 * Every event becomes exactly one journal row in the transaction that made the change.
 */
export abstract class DomainEvent<Data extends EventData = EventData> {
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
    readonly data: Data,
  ) {}
}
