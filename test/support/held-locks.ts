import pg from 'pg';

import type { TestDatabase } from './database.js';
import { waitFor } from './wait-for.js';

/**
 * Sends requests while nobody can write the given tables, and lets them go on when all that should meet have come that
 * far: so each has read what it reads before any other has changed it.
 * @param send starts the requests; `whenWaiting(n)` resolves when n transactions wait for a lock
 */
export async function withHeldLocks<T>(
  database: TestDatabase,
  tables: readonly string[],
  send: (whenWaiting: (transactions: number) => Promise<unknown>) => Promise<Promise<T>[]>,
): Promise<T[]> {
  const holder = new pg.Client({ connectionString: database.url });
  await holder.connect();
  try {
    await holder.query(`BEGIN; LOCK TABLE ${tables.join()} IN SHARE MODE`);
    const sent = await send((transactions) =>
      waitFor(`${transactions} waiting transactions`, async () => {
        const waiting = await database.query(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        );
        return waiting.length >= transactions;
      }),
    );
    await holder.query('COMMIT');
    return await Promise.all(sent);
  } finally {
    await holder.end();
  }
}
