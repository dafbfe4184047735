import {
  CommitOutcomeUnknown,
  isConnectionLost,
  isPoolTimeout,
  isRepeatable,
  LeaseOvertaken,
  sqlState,
} from '@daybook/platform';

import { OffsetMoved } from './apply-stretches.js';

/** It is the report's fault, as far as anybody can tell: the database takes no such value, or the code cannot handle it. */
export function isPoison(error: unknown): boolean {
  if (error instanceof LeaseOvertaken || error instanceof OffsetMoved) return false;
  if (error instanceof CommitOutcomeUnknown || isRepeatable(error)) return false;
  if (isConnectionLost(error) || isPoolTimeout(error)) return false;
  const state = sqlState(error);
  return state === undefined || /^2[23]/.test(state);
}

/** Why a report is put aside that is poisonous. */
export function poisonReason(error: unknown): string {
  return `could not be applied: ${error instanceof Error ? error.message : String(error)}`;
}
