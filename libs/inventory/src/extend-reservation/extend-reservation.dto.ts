import { TtlSeconds } from '@daybook/platform';

export class ExtendReservationRequest {
  @TtlSeconds({
    description: 'It shall be held for this long from now. What was promised before is never shortened.',
  })
  readonly ttlSeconds!: number;
}
