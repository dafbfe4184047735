import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { EntityManager } from 'typeorm';

import {
  Answer,
  businessNow,
  DomainEvent,
  type IdempotencyClaim,
  type RequestContext,
  type WriteCommand,
  WritePath,
} from '@daybook/platform';

import type { __UseCase__Request, __UseCase__Response } from './__use-case__.dto.js';

/** TODO: what it does, and what it throws. */
export class __UseCase__ extends Command<Answer> implements WriteCommand {
  constructor(
    readonly id: string,
    readonly input: __UseCase__Request,
    readonly context: RequestContext,
    readonly idempotency?: IdempotencyClaim,
  ) {
    super();
  }
}

/** TODO: move it to the events of this library and export it from index.ts, if others shall listen. */
export class __Event__ extends DomainEvent {
  readonly type = '__event-type__';
  readonly entityType = '__entity-type__';
}

@CommandHandler(__UseCase__)
export class __UseCase__Handler implements ICommandHandler<__UseCase__> {
  private readonly commits;

  constructor(writePath: WritePath) {
    this.commits = writePath.single<__UseCase__>('__use-case__', (command, manager) => this.__verb__(command, manager));
  }

  execute(command: __UseCase__): Promise<Answer> {
    return this.commits.submit(command);
  }

  /**
   * Runs in the one transaction of this command: what it writes through `manager`, the journal row of the
   * event and the answer for retries commit together. To refuse, throw a DomainError. What many callers do at
   * once belongs in `writePath.group` with a pure decision; place-order in libs/orders shows how.
   */
  private async __verb__({ id, input, context }: __UseCase__, manager: EntityManager) {
    // TODO: read and lock what the decision needs, decide, write.
    const updatedAt = (await businessNow(manager)).toISOString();
    const response: __UseCase__Response = { id, updatedAt };
    return {
      answer: new Answer(200, JSON.stringify(response)),
      events: [new __Event__(id, null, updatedAt, context, { after: {}, reason: input.reason })],
    };
  }
}
