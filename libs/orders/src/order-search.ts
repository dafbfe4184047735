import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';

import { toStoredNumber } from '@daybook/id-generator';
import { BoundedReads, CursorCodec, type Page, QueryTooBroad, toPage } from '@daybook/platform';

import type { OrderFilters, OrderSort } from './order-filters.js';
import { type OrderRow, toOrder } from './order-row.js';
import {
  countStatement,
  estimateStatement,
  pageStatement,
  type Place,
  type ResolvedFilters,
} from './order-search-sql.js';
import type { Order } from './order.entity.js';
import { OrdersRepository } from './orders.repository.js';

/** How many orders fit, and whether that was counted or is what the planner believes. */
export interface OrderCount {
  readonly total: number;
  readonly totalAccuracy: 'exact' | 'estimated';
}

/**
 * Finds orders by filters, in one of four orders, page by page. Pages are cut by the sort key of the last order, which
 * never changes: an order that fits all the while is on exactly one page, whatever is placed or changed meanwhile.
 */
@Injectable()
export class OrderSearch {
  constructor(
    private readonly reads: BoundedReads,
    @Inject(DataSource) private readonly database: DataSource,
    private readonly orders: OrdersRepository,
    private readonly cursors: CursorCodec,
  ) {}

  /**
   * One page, with the lines of its orders.
   * @throws {ValidationFailed} naming `cursor` when it was not made for these filters and this sort
   * @throws {QueryTooBroad} when too many orders lie between those that fit
   */
  async page(
    filters: OrderFilters,
    sort: OrderSort,
    { cursor, limit }: { readonly cursor: string | undefined; readonly limit: number },
  ): Promise<Page<Order>> {
    const list = toList(filters, sort);
    const after = cursor === undefined ? null : toPlace(this.cursors.decode(list, cursor));
    const resolved = await this.resolve(filters);
    if (resolved === undefined) return { data: [], nextCursor: null };
    const { text, values } = pageStatement(resolved, sort, after, limit + 1);
    const rows = await this.reads.query<OrderRow>('orders/page', text, values, narrowing(filters));
    const page = toPage(rows.map(toOrder), limit, this.cursorsOf(filters, sort));
    await this.orders.loadLines(page.data, this.database.manager);
    return page;
  }

  /** What makes the cursors of a list: that of an order goes on right behind it. */
  cursorsOf(filters: OrderFilters, sort: OrderSort): (order: Order) => string {
    const encode = this.cursors.encoderFor(toList(filters, sort));
    return ({ id, totalCents }) => encode([id, totalCents]);
  }

  /** Counted if asked for and if there is time enough, else estimated. */
  async count(filters: OrderFilters, accuracy: OrderCount['totalAccuracy']): Promise<OrderCount> {
    const resolved = await this.resolve(filters);
    if (resolved === undefined) return { total: 0, totalAccuracy: 'exact' };
    const exact = accuracy === 'exact' ? await this.countExactly(resolved) : undefined;
    if (exact !== undefined) return { total: exact, totalAccuracy: 'exact' };
    const { text, values } = estimateStatement(resolved);
    const [row] = await this.reads.query<PlanRow>('orders/estimate', text, values);
    return { total: row?.['QUERY PLAN'][0].Plan['Plan Rows'] ?? 0, totalAccuracy: 'estimated' };
  }

  /** Undefined when it takes too long. */
  private async countExactly(filters: ResolvedFilters): Promise<number | undefined> {
    const { text, values } = countStatement(filters);
    try {
      const [row] = await this.reads.query<{ count: number }>(
        'orders/count',
        text,
        values,
        narrowing(filters),
      );
      return row?.count;
    } catch (error) {
      if (error instanceof QueryTooBroad) return undefined;
      throw error;
    }
  }

  /** Undefined when nothing can fit: there is no such product. */
  private async resolve({ sku, ...filters }: OrderFilters): Promise<ResolvedFilters | undefined> {
    if (sku === null) return { ...filters, productId: null };
    const text = 'SELECT id FROM products WHERE sku = $1';
    const [product] = await this.reads.query<{ id: number }>('orders/find-product', text, [sku]);
    return product && { ...filters, productId: product.id };
  }
}

interface PlanRow {
  readonly 'QUERY PLAN': readonly [{ readonly Plan: { readonly 'Plan Rows': number } }];
}

/** All that a cursor is made for. */
function toList(filters: OrderFilters, sort: OrderSort): object {
  return { list: 'orders', ...filters, sort };
}

/** A cursor's place was made by `cursorsOf`, so it is valid. */
function toPlace([id, totalCents]: readonly (string | number)[]): Place {
  return { number: toStoredNumber(String(id)) as string, totalCents: Number(totalCents) };
}

/** The parameters that would leave less to look through, those first that are not there yet. */
function narrowing(filters: Omit<OrderFilters, 'sku'>): string[] {
  const given: Readonly<Record<string, boolean>> = {
    customerId: filters.owner !== null || filters.customerId !== null,
    status: filters.statuses.length > 0,
    placedFrom: filters.placedFrom !== null,
    placedTo: filters.placedTo !== null,
  };
  const missing = Object.keys(given).filter((name) => given[name] === false);
  return missing.length > 0 ? missing : ['placedFrom', 'placedTo'];
}
