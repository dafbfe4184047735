import { Inject } from '@nestjs/common';
import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { DataSource } from 'typeorm';

import { NotFound } from '@daybook/platform';

import { Product } from '../product.entity.js';

/** One product. @throws {NotFound} */
export class GetProduct extends Query<Product> {
  constructor(readonly sku: string) {
    super();
  }
}

@QueryHandler(GetProduct)
export class GetProductHandler implements IQueryHandler<GetProduct> {
  constructor(@Inject(DataSource) private readonly database: DataSource) {}

  async execute({ sku }: GetProduct): Promise<Product> {
    const product = isStorable(sku) ? await this.database.manager.findOneBy(Product, { sku }) : null;
    if (!product) throw new NotFound(`There is no product ${sku}.`);
    return product;
  }
}

/** PostgreSQL refuses text with a NUL character; no product has one in its SKU. */
function isStorable(sku: string): boolean {
  return !sku.includes('\0');
}
