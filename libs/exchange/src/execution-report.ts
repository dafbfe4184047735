export const EXECUTION_TYPES = [
  'new',
  'trade',
  'cancelled',
  'rejected',
  'expired',
  'cancel_rejected',
] as const;
/** FIX ExecType in plain words. `cancel_rejected` stands for the message Order Cancel Reject. */
export type ExecutionType = (typeof EXECUTION_TYPES)[number];

/**
 * What a venue reports of one order: one event of its life there. On its way from the gateway to where it is applied only its
 * sequence number is certain to be what it should be; there the rest is examined, and what is wrong is put aside.
 */
export interface ExecutionReport {
  /** Its place in the venue's stream: 1 for the first, without gaps. */
  readonly sequence: number;
  /** The venue's name for this event (FIX ExecID), never used for another one. */
  readonly execId: string;
  /** The ClOrdID of the order, as the venue knows it. Not necessarily one of ours. */
  readonly orderRef: string;
  readonly type: ExecutionType;
  /** How many were traded (FIX LastQty); only of a trade. */
  readonly quantity?: number | undefined;
  /** At which price (FIX LastPx), in cents; only of a trade. */
  readonly priceCents?: number | undefined;
  /** When it happened by the venue's clock, ISO 8601 UTC (FIX TransactTime). */
  readonly executedAt: string;
  /** The venue's words, for instance why it refused (FIX Text). */
  readonly reason?: string | undefined;
}
