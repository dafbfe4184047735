import type { OrderId } from '@daybook/orders';
import { Choice, Text, Whole } from '@daybook/platform';

/** How a service that answered 202 ends the attempt later. */
export const CALLBACK_OUTCOMES = ['confirmed', 'refused', 'failed'] as const;
export type CallbackOutcome = (typeof CALLBACK_OUTCOMES)[number];

export class ReportOutcomeRequest {
  // The signature covers the body alone: without the order in it, a message that was caught would fit every order.
  @Text(32, { description: 'The order, as in the path.', example: '20261120-00001' })
  readonly orderId!: string;

  @Whole(1, 2_147_483_647, { description: 'The version that came with the attempt.', example: 2 })
  readonly version!: number;

  @Choice(CALLBACK_OUTCOMES, {
    description: '`refused`: for good. `failed`: the order is tried again as long as it has attempts left.',
    example: 'confirmed',
  })
  readonly outcome!: CallbackOutcome;

  @Text(500, { optional: true, description: 'Kept in the audit trail.', example: 'The parcel is too heavy' })
  readonly reason?: string;
}

/** Where the outcome of an order is reported; the address of the server before it is for its operators to know. */
export function callbackPath(orderId: OrderId): string {
  return `/api/v1/processing/callbacks/${orderId}`;
}
