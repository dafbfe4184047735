import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { EntityManager } from 'typeorm';

import {
  Answer,
  businessNow,
  type IdempotencyClaim,
  type RequestContext,
  violatesUnique,
  type WriteCommand,
  WritePath,
} from '@daybook/platform';

import { DuplicateWarehouse } from '../inventory.errors.js';
import { WarehouseCreated } from '../inventory.events.js';
import { toWarehouseResponse } from '../warehouse.dto.js';
import { Warehouse } from '../warehouse.entity.js';
import type { CreateWarehouseRequest } from './create-warehouse.dto.js';

/** Adds an empty warehouse. @throws {DuplicateWarehouse} */
export class CreateWarehouse extends Command<Answer> implements WriteCommand {
  constructor(
    readonly input: CreateWarehouseRequest,
    readonly context: RequestContext,
    readonly idempotency?: IdempotencyClaim,
  ) {
    super();
  }
}

@CommandHandler(CreateWarehouse)
export class CreateWarehouseHandler implements ICommandHandler<CreateWarehouse> {
  private readonly commits;

  constructor(writePath: WritePath) {
    this.commits = writePath.single<CreateWarehouse>('create-warehouse', (command, manager) =>
      this.create(command, manager),
    );
  }

  execute(command: CreateWarehouse): Promise<Answer> {
    return this.commits.submit(command);
  }

  private async create({ input, context }: CreateWarehouse, manager: EntityManager) {
    const { code, name, priority = 100 } = input;
    const createdAt = await businessNow(manager);
    const warehouse = manager.create(Warehouse, { code, name, priority, createdAt });
    try {
      await manager.insert(Warehouse, warehouse);
    } catch (error) {
      if (violatesUnique(error, 'warehouses_code_key')) throw new DuplicateWarehouse(code);
      throw error;
    }
    return {
      answer: Answer.created(toWarehouseResponse(warehouse), '/api/v1/warehouses'),
      events: [
        new WarehouseCreated(code, 1, createdAt.toISOString(), context, { after: { name, priority } }),
      ],
    };
  }
}
