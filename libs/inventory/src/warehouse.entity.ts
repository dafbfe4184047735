import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

@Entity('warehouses')
export class Warehouse {
  @PrimaryGeneratedColumn('identity', { type: 'integer', generatedIdentity: 'ALWAYS' })
  readonly id!: number;

  @Column({ type: 'text' })
  code!: string;

  @Column({ type: 'text' })
  name!: string;

  /** Stock is taken from the lowest priority first. */
  @Column({ type: 'integer' })
  priority!: number;

  @Column({ name: 'created_at', type: 'timestamptz' })
  createdAt!: Date;
}
