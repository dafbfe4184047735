import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

/** bigint columns come as text; every amount here is bounded well below 2^53. */
const exactNumber = { to: (value: number) => value, from: (value: string) => Number(value) };

@Entity('products')
export class Product {
  @PrimaryGeneratedColumn('identity', { type: 'integer', generatedIdentity: 'ALWAYS' })
  readonly id!: number;

  @Column({ type: 'text' })
  sku!: string;

  @Column({ type: 'text' })
  name!: string;

  @Column({ name: 'price_cents', type: 'bigint', transformer: exactNumber })
  priceCents!: number;

  @Column({ type: 'text' })
  currency!: string;

  /** An inactive product can be read but not ordered. */
  @Column({ type: 'boolean' })
  active!: boolean;

  @Column({ type: 'integer' })
  version!: number;

  @Column({ name: 'created_at', type: 'timestamptz' })
  createdAt!: Date;

  @Column({ name: 'updated_at', type: 'timestamptz' })
  updatedAt!: Date;
}
