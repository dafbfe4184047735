import { ApiParam, ApiProperty } from '@nestjs/swagger';

import { Cents, Choice, Currency, Quantity, Sku, Text, WarehouseCode, Whole } from '@daybook/platform';

import { ORDER_STATUSES, type OrderStatus } from './order-status.js';
import { type Order, ORDER_PRIORITIES, type OrderLine, type OrderPriority } from './order.entity.js';

const ORDER_ID_EXAMPLE = { example: '20261120-00001', pattern: '^[0-9]{8}-[0-9]{5,10}$' };

/** Documents the `id` in a route's path; Swagger UI fills its example in. */
export const ApiOrderId = () => ApiParam({ name: 'id', schema: { type: 'string', ...ORDER_ID_EXAMPLE } });

export class AllocationResponse {
  @WarehouseCode()
  readonly warehouse!: string;

  @Quantity()
  readonly quantity!: number;
}

export class OrderLineResponse {
  @Sku()
  readonly sku!: string;

  @Text(200, { example: 'Earl Grey, 100 g' })
  readonly name!: string;

  @Quantity()
  readonly quantity!: number;

  @Cents()
  readonly unitPriceCents!: number;

  @Whole(0, Number.MAX_SAFE_INTEGER, { example: 2500 })
  readonly lineTotalCents!: number;

  @ApiProperty({ type: [AllocationResponse], description: 'Which warehouse sends how much.' })
  readonly allocations!: readonly AllocationResponse[];
}

export class OrderResponse {
  @ApiProperty(ORDER_ID_EXAMPLE)
  readonly id!: string;

  @Choice(ORDER_STATUSES)
  readonly status!: OrderStatus;

  @ApiProperty({ example: 'customer-7' })
  readonly customerId!: string;

  @ApiProperty({ type: String, nullable: true, example: 'cart-4711' })
  readonly clientOrderId!: string | null;

  @Choice(ORDER_PRIORITIES)
  readonly priority!: OrderPriority;

  @Currency()
  readonly currency!: string;

  @Whole(0, Number.MAX_SAFE_INTEGER, { example: 2500 })
  readonly totalCents!: number;

  @ApiProperty({ type: [OrderLineResponse] })
  readonly lines!: readonly OrderLineResponse[];

  @ApiProperty({ type: String, format: 'uuid', nullable: true })
  readonly reservationId!: string | null;

  @ApiProperty({ format: 'date-time' })
  readonly placedAt!: string;

  @ApiProperty({ format: 'date-time' })
  readonly updatedAt!: string;

  @Whole(1, 2_147_483_647, { example: 1 })
  readonly version!: number;
}

export class OrderStatusResponse {
  @ApiProperty(ORDER_ID_EXAMPLE)
  readonly id!: string;

  @Choice(ORDER_STATUSES)
  readonly status!: OrderStatus;

  @Whole(1, 2_147_483_647, { example: 1 })
  readonly version!: number;

  @ApiProperty({ format: 'date-time' })
  readonly updatedAt!: string;
}

export class OrderTransitionsResponse {
  @Choice(ORDER_STATUSES)
  readonly status!: OrderStatus;

  @Whole(1, 2_147_483_647, { example: 1 })
  readonly version!: number;

  @ApiProperty({ enum: ORDER_STATUSES, isArray: true, description: 'The moves the caller may ask for now.' })
  readonly allowed!: readonly OrderStatus[];
}

export function toOrderResponse(order: Order): OrderResponse {
  return {
    id: order.id,
    status: order.status,
    customerId: order.customerId,
    clientOrderId: order.clientOrderId,
    priority: order.priority,
    currency: order.currency,
    totalCents: order.totalCents,
    lines: order.lines.map(toLineResponse),
    reservationId: order.reservationId,
    placedAt: order.placedAt.toISOString(),
    updatedAt: order.updatedAt.toISOString(),
    version: order.version,
  };
}

function toLineResponse({ sku, name, quantity, unitPriceCents, allocations }: OrderLine): OrderLineResponse {
  return {
    sku,
    name,
    quantity,
    unitPriceCents,
    lineTotalCents: quantity * unitPriceCents,
    allocations: allocations.map(({ warehouse, quantity: allocated }) => ({
      warehouse,
      quantity: allocated,
    })),
  };
}

export function toOrderStatusResponse({ id, status, version, updatedAt }: Order): OrderStatusResponse {
  return { id, status, version, updatedAt: updatedAt.toISOString() };
}
