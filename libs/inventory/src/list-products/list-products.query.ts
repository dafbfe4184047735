import { Inject } from '@nestjs/common';
import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { DataSource } from 'typeorm';

import { CursorCodec, type Page, toPage } from '@daybook/platform';

import { Product } from '../product.entity.js';
import type { ListProductsRequest } from './list-products.dto.js';

/** Products by SKU, a page at a time. */
export class ListProducts extends Query<Page<Product>> {
  constructor(readonly input: ListProductsRequest) {
    super();
  }
}

@QueryHandler(ListProducts)
export class ListProductsHandler implements IQueryHandler<ListProducts> {
  constructor(
    @Inject(DataSource) private readonly database: DataSource,
    private readonly cursors: CursorCodec,
  ) {}

  async execute({ input }: ListProducts): Promise<Page<Product>> {
    const { sku, text, limit = 50, cursor } = input;
    const list = { list: 'products', sku: sku ?? null, text: text ?? null };
    const query = this.database.manager
      .createQueryBuilder(Product, 'product')
      .orderBy('product.sku')
      .take(limit + 1);
    if (sku !== undefined) query.andWhere('starts_with(product.sku, :sku)', { sku });
    if (text !== undefined) query.andWhere('strpos(lower(product.name), lower(:text)) > 0', { text });
    if (cursor !== undefined) {
      const [after] = this.cursors.decode(list, cursor);
      query.andWhere('product.sku > :after', { after });
    }
    return toPage(await query.getMany(), limit, (last) => this.cursors.encode(list, [last.sku]));
  }
}
