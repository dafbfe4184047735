import { Choice, Choices, Instant, Sku, Text, ValidationFailed, WholeText } from '@daybook/platform';

import { ORDER_SORTS, type OrderFilters, type OrderSort } from './order-filters.js';
import { ORDER_STATUSES, type OrderStatus } from './order-status.js';
import { ORDER_PRIORITIES, type OrderPriority } from './order.entity.js';

/** What a number in a query can have without losing a digit. */
const MOST_CENTS = 999_999_999_999_999;

/** Which orders, and in which order: what the list and the export have in common. */
export class OrderFiltersRequest {
  @Choices(ORDER_STATUSES, { optional: true, description: 'One of these; may be there several times.' })
  readonly status?: readonly OrderStatus[];

  @Text(255, {
    optional: true,
    description: 'Only this customer. Customers see only their own orders in any case.',
  })
  readonly customerId?: string;

  @Choice(ORDER_PRIORITIES, { optional: true, description: 'Only orders of this priority.' })
  readonly priority?: OrderPriority;

  @Instant({ optional: true, description: 'Placed at this time or later.' })
  readonly placedFrom?: Date;

  @Instant({ optional: true, description: 'Placed before this time.' })
  readonly placedTo?: Date;

  @WholeText(0, MOST_CENTS, { optional: true, description: 'A total of at least this.' })
  readonly minTotalCents?: number;

  @WholeText(0, MOST_CENTS, { optional: true, description: 'A total of at most this.' })
  readonly maxTotalCents?: number;

  // Without an example, which Swagger UI would send along.
  @Sku({ optional: true, description: 'With a line of this product.', example: undefined })
  readonly sku?: string;

  @Text(64, { optional: true, description: 'The name that a customer gave the order.' })
  readonly clientOrderId?: string;

  @Choice(ORDER_SORTS, {
    optional: true,
    default: 'newest',
    description: '`newest` and `oldest` by number, `highest` and `lowest` by total and then by number.',
  })
  readonly sort?: OrderSort;
}

/**
 * @param owner whose orders the caller may see: null, everybody's
 * @throws {ValidationFailed} when a range ends before it begins
 */
export function toOrderFilters(input: OrderFiltersRequest, owner: string | null): OrderFilters {
  const { placedFrom, placedTo, minTotalCents, maxTotalCents } = input;
  const errors = [
    ...(placedFrom !== undefined && placedTo !== undefined && placedFrom > placedTo
      ? [{ path: 'placedTo', message: 'must not be before placedFrom' }]
      : []),
    ...(minTotalCents !== undefined && maxTotalCents !== undefined && minTotalCents > maxTotalCents
      ? [{ path: 'maxTotalCents', message: 'must not be less than minTotalCents' }]
      : []),
  ];
  if (errors.length > 0) throw new ValidationFailed(errors);
  const { status, customerId, priority, sku, clientOrderId } = input;
  return {
    owner,
    customerId: customerId ?? null,
    // In one order, so that a cursor fits however the client lists them.
    statuses: ORDER_STATUSES.filter((each) => status?.includes(each)),
    priority: priority ?? null,
    placedFrom: placedFrom ?? null,
    placedTo: placedTo ?? null,
    minTotalCents: minTotalCents ?? null,
    maxTotalCents: maxTotalCents ?? null,
    sku: sku ?? null,
    clientOrderId: clientOrderId ?? null,
  };
}
