import { Column, Entity, PrimaryColumn } from 'typeorm';

import {
  type BusinessNumber,
  fromStoredNumber,
  type NumberSeries,
  toStoredNumber,
} from '@daybook/id-generator';
import type { Allocation } from '@daybook/inventory';

import type { OrderStatus } from './order-status.js';

/** `YYYYMMDD-nnnnn`. */
export type OrderId = BusinessNumber;

export const ORDER_SERIES: NumberSeries = { name: 'order', prefix: '', table: 'orders', column: 'id' };

export const ORDER_PRIORITIES = ['normal', 'high'] as const;
export type OrderPriority = (typeof ORDER_PRIORITIES)[number];

/** One product of an order, with the name and price it was ordered at. */
export interface OrderLine {
  readonly productId: number;
  readonly sku: string;
  readonly name: string;
  readonly quantity: number;
  readonly unitPriceCents: number;
  readonly allocations: readonly Allocation[];
}

const orderNumber = { to: (id: string) => toStoredNumber(id), from: fromStoredNumber };
/** bigint columns come as text; totals are bounded below 2^53 when an order is placed. */
const exactNumber = { to: (value: number) => value, from: (value: string) => Number(value) };

@Entity('orders')
export class Order {
  @PrimaryColumn({ type: 'bigint', transformer: orderNumber })
  id!: OrderId;

  @Column({ name: 'customer_id', type: 'text' })
  customerId!: string;

  /** The customer's own name for the order, unique per customer. */
  @Column({ name: 'client_order_id', type: 'text', nullable: true })
  clientOrderId!: string | null;

  @Column({ type: 'text' })
  status!: OrderStatus;

  @Column({ type: 'text' })
  priority!: OrderPriority;

  @Column({ type: 'text' })
  currency!: string;

  @Column({ name: 'total_cents', type: 'bigint', transformer: exactNumber })
  totalCents!: number;

  /** How long the simulated processor takes over this order; null: it chooses. */
  @Column({ name: 'processing_time_ms', type: 'integer', nullable: true })
  processingTimeMs!: number | null;

  @Column({ name: 'reservation_id', type: 'uuid', nullable: true })
  reservationId!: string | null;

  @Column({ name: 'placed_at', type: 'timestamptz' })
  placedAt!: Date;

  @Column({ name: 'updated_at', type: 'timestamptz' })
  updatedAt!: Date;

  /** 1 when placed, one more with every change. */
  @Column({ type: 'integer' })
  version!: number;

  /** In a table of their own; whoever reads an order through the repository gets them. */
  lines!: readonly OrderLine[];
}
