import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { EntityManager } from 'typeorm';

import {
  Answer,
  businessNow,
  NotFound,
  type RequestContext,
  VersionConflict,
  type WriteCommand,
  WritePath,
} from '@daybook/platform';

import { ProductChanged } from '../inventory.events.js';
import { toProductResponse } from '../product.dto.js';
import { Product } from '../product.entity.js';
import type { ChangeProductRequest } from './change-product.dto.js';

/** Changes what the catalogue says; orders keep the name and price they were placed with. */
export class ChangeProduct extends Command<Answer> implements WriteCommand {
  constructor(
    readonly sku: string,
    readonly input: ChangeProductRequest,
    readonly context: RequestContext,
    /** The version the caller has seen; undefined: whatever it is. */
    readonly expectedVersion?: number,
  ) {
    super();
  }
}

@CommandHandler(ChangeProduct)
export class ChangeProductHandler implements ICommandHandler<ChangeProduct> {
  private readonly commits;

  constructor(writePath: WritePath) {
    this.commits = writePath.single<ChangeProduct>('change-product', (command, manager) =>
      this.change(command, manager),
    );
  }

  execute(command: ChangeProduct): Promise<Answer> {
    return this.commits.submit(command);
  }

  private async change({ sku, input, context, expectedVersion }: ChangeProduct, manager: EntityManager) {
    const lock = { mode: 'for_no_key_update' } as const;
    const product = await manager.findOne(Product, { where: { sku }, lock });
    if (!product) throw new NotFound(`There is no product ${sku}.`);
    if (expectedVersion !== undefined && expectedVersion !== product.version) {
      throw new VersionConflict(product.version);
    }
    const change = differences(product, input);
    if (Object.keys(change.after).length === 0) {
      return { answer: Answer.versioned(toProductResponse(product)), events: [] };
    }
    const updatedAt = await businessNow(manager);
    const version = product.version + 1;
    await manager.update(Product, { id: product.id }, { ...change.after, updatedAt, version });
    return {
      answer: Answer.versioned(toProductResponse({ ...product, ...change.after, updatedAt, version })),
      events: [new ProductChanged(sku, version, updatedAt.toISOString(), context, change)],
    };
  }
}

/** The fields that really change, before and after. */
function differences(product: Product, input: ChangeProductRequest) {
  const before: Record<string, unknown> = {};
  const after: Partial<Product> & Record<string, unknown> = {};
  for (const field of ['name', 'priceCents', 'active'] as const) {
    if (input[field] === undefined || input[field] === product[field]) continue;
    before[field] = product[field];
    Object.assign(after, { [field]: input[field] });
  }
  return { before, after };
}
