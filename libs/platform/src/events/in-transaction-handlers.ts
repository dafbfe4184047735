import { Injectable, type OnModuleInit, SetMetadata, type Type } from '@nestjs/common';
import { DiscoveryService, Reflector } from '@nestjs/core';
import type { EntityManager } from 'typeorm';

import { together } from '../database/transaction.js';
import { DomainEvent } from './domain-event.js';

const SUBSCRIPTION = Symbol('in-transaction events');

/** Anything a handler can subscribe to; `DomainEvent` itself stands for every event. */
export type EventClass = abstract new (...args: never[]) => DomainEvent;

/**
 * Declares a provider that takes part in the transaction of the change: what it writes commits or rolls back with it,
 * and what it throws fails the change. For what must not be lost: the journal, a job to enqueue. Anything else listens
 * after the commit, with the `@EventsHandler` of @nestjs/cqrs.
 */
export const InTransactionHandler = (...events: EventClass[]) => SetMetadata(SUBSCRIPTION, events);

export interface HandlesInTransaction {
  /**
   * Gets the batch's events it subscribed to, in order; at least one. Writes set-based, while the other handlers write: so
   * it opens no savepoint, and needs nothing that another handler has written.
   */
  handle(events: readonly DomainEvent[], manager: EntityManager): Promise<void>;
}

/** Finds the in-transaction handlers of all modules and hands each its events. */
@Injectable()
export class InTransactionEvents implements OnModuleInit {
  private subscriptions: { events: readonly EventClass[]; handler: HandlesInTransaction }[] = [];

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly reflector: Reflector,
  ) {}

  onModuleInit(): void {
    this.subscriptions = this.discovery.getProviders().flatMap(({ metatype, instance }) => {
      if (typeof metatype !== 'function' || !instance) return [];
      const events = this.reflector.get<EventClass[] | undefined>(SUBSCRIPTION, metatype as Type);
      return events ? [{ events, handler: instance as HandlesInTransaction }] : [];
    });
  }

  /** The handlers write at the same time, none behind another: the statements of all travel to the server together. */
  async dispatch(events: readonly DomainEvent[], manager: EntityManager): Promise<void> {
    await together(
      ...this.subscriptions.map(async ({ events: wanted, handler }) => {
        const theirs = wanted.includes(DomainEvent)
          ? events
          : events.filter((event) => wanted.some((type) => event instanceof type));
        if (theirs.length > 0) await handler.handle(theirs, manager);
      }),
    );
  }
}
