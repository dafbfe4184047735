import type { EntityManager } from 'typeorm';

import { prepared, together } from '@daybook/platform';

import { ORDERS_QUEUE } from './queue-names.js';

// Taken shared by whoever claims, and alone by whoever pauses: who is told that the queue is paused can rely on it.
const CLAIM_LOCK = 7_237_010;

const LOCK_SHARED = 'SELECT pg_advisory_xact_lock_shared($1)';
const LOCK_ALONE = 'SELECT pg_advisory_xact_lock($1)';
const IS_PAUSED = `SELECT paused_at IS NOT NULL AS "isPaused" FROM order_queues WHERE name = '${ORDERS_QUEUE}'`;

// Nothing is written when it is so already.
const SET_PAUSED = `
  UPDATE order_queues SET paused_at = CASE WHEN $1::bool THEN $2::timestamptz END, paused_by = CASE WHEN $1::bool THEN $3 END
  WHERE name = '${ORDERS_QUEUE}' AND (paused_at IS NOT NULL) <> $1::bool RETURNING 1`;

/** Whether the queue is paused, and stays as it is until this transaction ends. */
export async function isQueuePaused(manager: EntityManager): Promise<boolean> {
  const locked = prepared(manager, 'queue-pause/lock-shared', LOCK_SHARED, [CLAIM_LOCK]);
  const read = prepared<{ isPaused: boolean }>(manager, 'queue-pause/read', IS_PAUSED, []);
  await together(locked, read);
  return (await read)[0]?.isPaused ?? false;
}

/**
 * From the end of this transaction on nobody takes an order, or everybody may again. Waits for those who are just
 * taking some, so that whoever is told of a pause sees all that was started before it.
 * @returns whether it was not so already
 */
export async function setQueuePaused(
  { isPaused, at, by }: { readonly isPaused: boolean; readonly at: Date; readonly by: string },
  manager: EntityManager,
): Promise<boolean> {
  await prepared(manager, 'queue-pause/lock-alone', LOCK_ALONE, [CLAIM_LOCK]);
  const rows = await prepared(manager, 'queue-pause/set', SET_PAUSED, [isPaused, at, by]);
  return rows.length > 0;
}
