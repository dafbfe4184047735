import { Column, Entity, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';

// Daybook's own tables (libs/*/migrations), mapped as one would map them to write orders with repositories.
// bigint columns hold their values as strings, which is how the driver reads them.

@Entity('products')
export class Product {
  @PrimaryColumn('integer')
  id!: number;

  @Column('text')
  sku!: string;

  @Column('text')
  name!: string;

  @Column('bigint', { name: 'price_cents' })
  priceCents!: string;

  @Column('text')
  currency!: string;

  @Column('boolean')
  active!: boolean;
}

@Entity('warehouses')
export class Warehouse {
  @PrimaryColumn('integer')
  id!: number;

  @Column('text')
  code!: string;

  @Column('integer')
  priority!: number;
}

@Entity('stock_levels')
export class StockLevel {
  @PrimaryColumn('integer', { name: 'product_id' })
  productId!: number;

  @PrimaryColumn('integer', { name: 'warehouse_id' })
  warehouseId!: number;

  @ManyToOne(() => Product)
  @JoinColumn({ name: 'product_id' })
  product!: Product;

  @ManyToOne(() => Warehouse)
  @JoinColumn({ name: 'warehouse_id' })
  warehouse!: Warehouse;

  @Column('bigint', { name: 'on_hand' })
  onHand!: string;

  @Column('bigint')
  reserved!: string;

  @Column('bigint')
  allocated!: string;
}

@Entity('number_counters')
export class NumberCounter {
  @PrimaryColumn('text')
  series!: string;

  @PrimaryColumn('integer')
  day!: number;

  @Column('bigint')
  last!: string;
}

@Entity('orders')
export class Order {
  @PrimaryColumn('bigint')
  id!: string;

  @Column('text', { name: 'customer_id' })
  customerId!: string;

  @Column('text', { name: 'client_order_id', nullable: true })
  clientOrderId!: string | null;

  @Column('text')
  status!: string;

  @Column('text')
  priority!: string;

  @Column('text')
  currency!: string;

  @Column('bigint', { name: 'total_cents' })
  totalCents!: string;

  @Column('timestamptz', { name: 'placed_at' })
  placedAt!: Date;

  @Column('timestamptz', { name: 'updated_at' })
  updatedAt!: Date;

  @Column('integer')
  version!: number;
}

@Entity('order_lines')
export class OrderLine {
  @PrimaryColumn('bigint', { name: 'order_id' })
  orderId!: string;

  @PrimaryColumn('smallint', { name: 'line_no' })
  lineNo!: number;

  @Column('integer', { name: 'product_id' })
  productId!: number;

  @Column('text')
  name!: string;

  @Column('integer')
  quantity!: number;

  @Column('bigint', { name: 'unit_price_cents' })
  unitPriceCents!: string;
}

@Entity('order_allocations')
export class OrderAllocation {
  @PrimaryColumn('bigint', { name: 'order_id' })
  orderId!: string;

  @PrimaryColumn('smallint', { name: 'line_no' })
  lineNo!: number;

  @PrimaryColumn('integer', { name: 'warehouse_id' })
  warehouseId!: number;

  @Column('integer')
  quantity!: number;
}

// The position is the database's to give and nobody here reads it back, so it is not mapped.
@Entity('journal')
export class JournalRow {
  @PrimaryColumn('text', { name: 'entity_type' })
  entityType!: string;

  @PrimaryColumn('text', { name: 'entity_id' })
  entityId!: string;

  @PrimaryColumn('integer')
  version!: number;

  @Column('timestamptz', { name: 'occurred_at' })
  occurredAt!: Date;

  @Column('text')
  actor!: string;

  @Column('text', { name: 'request_id' })
  requestId!: string;

  @Column('text')
  type!: string;

  @Column('jsonb')
  data!: object;
}

@Entity('idempotency_keys')
export class IdempotencyKey {
  @PrimaryColumn('text')
  caller!: string;

  @PrimaryColumn('text')
  key!: string;

  @Column('text')
  fingerprint!: string;

  @Column('smallint')
  status!: number;

  @Column('text', { nullable: true })
  location!: string | null;

  @Column('text', { nullable: true })
  etag!: string | null;

  @Column('text')
  body!: string;
}
