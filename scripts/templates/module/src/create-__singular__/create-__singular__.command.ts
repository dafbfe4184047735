import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { EntityManager } from 'typeorm';

import {
  Answer,
  businessNow,
  type IdempotencyClaim,
  type RequestContext,
  type WriteCommand,
  WritePath,
} from '@daybook/platform';

import { to__Singular__Response } from '../__singular__.dto.js';
import { __Singular__ } from '../__singular__.entity.js';
import { __Singular__Created } from '../__singular__.events.js';
import type { Create__Singular__Request } from './create-__singular__.dto.js';

/** TODO: what it does, and what it throws. */
export class Create__Singular__ extends Command<Answer> implements WriteCommand {
  constructor(
    readonly input: Create__Singular__Request,
    readonly context: RequestContext,
    readonly idempotency?: IdempotencyClaim,
  ) {
    super();
  }
}

@CommandHandler(Create__Singular__)
export class Create__Singular__Handler implements ICommandHandler<Create__Singular__> {
  private readonly commits;

  constructor(writePath: WritePath) {
    this.commits = writePath.single<Create__Singular__>('create-__singular__', (command, manager) => this.create(command, manager));
  }

  execute(command: Create__Singular__): Promise<Answer> {
    return this.commits.submit(command);
  }

  /**
   * Runs in the one transaction of this command: the row, the journal row of the event and the answer for
   * retries commit together. To refuse, throw a DomainError.
   */
  private async create({ input: { name }, context }: Create__Singular__, manager: EntityManager) {
    const createdAt = await businessNow(manager);
    const created = manager.create(__Singular__, { name, version: 1, createdAt });
    await manager.insert(__Singular__, created);
    const { id, version } = created;
    return {
      answer: Answer.created(to__Singular__Response(created), '/api/v1/__library__', version),
      events: [
        new __Singular__Created(String(id), version, createdAt.toISOString(), context, { after: { name } }),
      ],
    };
  }
}
