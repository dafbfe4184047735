import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

@Entity('__table__')
export class __Singular__ {
  @PrimaryGeneratedColumn('identity', { type: 'integer', generatedIdentity: 'ALWAYS' })
  readonly id!: number;

  @Column({ type: 'text' })
  name!: string;

  /** 1 when created, one more with every change. */
  @Column({ type: 'integer' })
  version!: number;

  @Column({ name: 'created_at', type: 'timestamptz' })
  createdAt!: Date;
}
