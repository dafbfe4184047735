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

import { DuplicateSku } from '../inventory.errors.js';
import { ProductCreated } from '../inventory.events.js';
import { toProductResponse } from '../product.dto.js';
import { Product } from '../product.entity.js';
import type { CreateProductRequest } from './create-product.dto.js';

/** Adds a product to the catalogue, with no stock. @throws {DuplicateSku} */
export class CreateProduct extends Command<Answer> implements WriteCommand {
  constructor(
    readonly input: CreateProductRequest,
    readonly context: RequestContext,
    readonly idempotency?: IdempotencyClaim,
  ) {
    super();
  }
}

@CommandHandler(CreateProduct)
export class CreateProductHandler implements ICommandHandler<CreateProduct> {
  private readonly commits;

  constructor(writePath: WritePath) {
    this.commits = writePath.single<CreateProduct>('create-product', (command, manager) =>
      this.create(command, manager),
    );
  }

  execute(command: CreateProduct): Promise<Answer> {
    return this.commits.submit(command);
  }

  private async create({ input, context }: CreateProduct, manager: EntityManager) {
    const { sku, name, priceCents, currency = 'USD' } = input;
    const now = await businessNow(manager);
    const content = { name, priceCents, currency, active: true };
    const product = manager.create(Product, { sku, ...content, version: 1, createdAt: now, updatedAt: now });
    await insertProduct(product, manager);
    return {
      answer: Answer.created(toProductResponse(product), `/api/v1/products/${sku}`, product.version),
      events: [new ProductCreated(sku, 1, now.toISOString(), context, { after: content })],
    };
  }
}

/** With an empty level in the main warehouse: whoever locks a product's stock finds a row to lock. */
async function insertProduct(product: Product, manager: EntityManager): Promise<void> {
  try {
    await manager.insert(Product, product);
  } catch (error) {
    if (violatesUnique(error, 'products_sku_key')) throw new DuplicateSku(product.sku);
    throw error;
  }
  await manager.query(
    `INSERT INTO stock_levels (product_id, warehouse_id, on_hand)
     SELECT product.id, warehouse.id, 0 FROM products product, warehouses warehouse
     WHERE product.sku = $1 AND warehouse.code = 'main'`,
    [product.sku],
  );
}
