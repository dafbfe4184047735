import { ApiParam, ApiProperty } from '@nestjs/swagger';

import { Choice, Quantity, Sku, UuidField, WarehouseCode, Whole } from '@daybook/platform';

import { type Reservation, RESERVATION_STATUSES, type ReservationStatus } from './reservation.js';

/** Documents the `id` in a route's path. */
export const ApiReservationId = () => ApiParam({ name: 'id', schema: { type: 'string', format: 'uuid' } });

export class ReservedAllocationResponse {
  @WarehouseCode()
  readonly warehouse!: string;

  @Quantity()
  readonly quantity!: number;
}

export class ReservationLineResponse {
  @Sku()
  readonly sku!: string;

  @Quantity()
  readonly quantity!: number;

  @ApiProperty({ type: [ReservedAllocationResponse], description: 'Which warehouse holds how much.' })
  readonly allocations!: readonly ReservedAllocationResponse[];
}

export class ReservationResponse {
  @UuidField()
  readonly id!: string;

  @Choice(RESERVATION_STATUSES)
  readonly status!: ReservationStatus;

  @ApiProperty({ example: 'customer-7' })
  readonly customerId!: string;

  @ApiProperty({ format: 'date-time', description: 'From this moment on it holds nothing.' })
  readonly expiresAt!: string;

  @ApiProperty({ type: [ReservationLineResponse] })
  readonly lines!: readonly ReservationLineResponse[];

  @ApiProperty({ type: String, nullable: true, description: 'The order that consumed it.' })
  readonly orderId!: string | null;

  @ApiProperty({ format: 'date-time' })
  readonly createdAt!: string;

  @ApiProperty({ format: 'date-time' })
  readonly updatedAt!: string;

  @Whole(1, 2_147_483_647, { example: 1 })
  readonly version!: number;
}

export function toReservationResponse(reservation: Reservation): ReservationResponse {
  return {
    id: reservation.id,
    status: reservation.status,
    customerId: reservation.customerId,
    expiresAt: reservation.expiresAt.toISOString(),
    lines: reservation.lines.map(({ sku, quantity, allocations }) => ({
      sku,
      quantity,
      allocations: allocations.map(({ warehouse, quantity: held }) => ({ warehouse, quantity: held })),
    })),
    orderId: reservation.orderId,
    createdAt: reservation.createdAt.toISOString(),
    updatedAt: reservation.updatedAt.toISOString(),
    version: reservation.version,
  };
}
