import { Inject } from '@nestjs/common';
import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { DataSource, MoreThan } from 'typeorm';

import { CursorCodec, type Page, toPage } from '@daybook/platform';

import { Warehouse } from '../warehouse.entity.js';
import type { ListWarehousesRequest } from './list-warehouses.dto.js';

/** Warehouses by code, a page at a time. */
export class ListWarehouses extends Query<Page<Warehouse>> {
  constructor(readonly input: ListWarehousesRequest) {
    super();
  }
}

@QueryHandler(ListWarehouses)
export class ListWarehousesHandler implements IQueryHandler<ListWarehouses> {
  constructor(
    @Inject(DataSource) private readonly database: DataSource,
    private readonly cursors: CursorCodec,
  ) {}

  async execute({ input: { limit = 50, cursor } }: ListWarehouses): Promise<Page<Warehouse>> {
    const list = { list: 'warehouses' };
    const where =
      cursor === undefined ? {} : { code: MoreThan(String(this.cursors.decode(list, cursor)[0])) };
    const rows = await this.database.manager.find(Warehouse, {
      where,
      order: { code: 'ASC' },
      take: limit + 1,
    });
    return toPage(rows, limit, (last) => this.cursors.encode(list, [last.code]));
  }
}
