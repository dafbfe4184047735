import pg from 'pg';

import type { TestDatabase } from './database.js';
import { waitFor } from './wait-for.js';

const GATE = 4711;

/** Something that whoever deletes from a table has to pass. */
export interface Gate {
  /** Resolves when so many wait before it. */
  whenWaiting(count: number): Promise<unknown>;
  /** Lets everybody pass from now on. */
  open(): Promise<void>;
}

/** Holds up every DELETE on the table, as a slow disk or a lock would; at most until the statement times out. */
export async function closeGate(database: TestDatabase, table: string): Promise<Gate> {
  const keeper = new pg.Client({ connectionString: database.url });
  // A test that fails drops the database under it.
  keeper.on('error', () => undefined);
  await keeper.connect();
  await keeper.query(`SELECT pg_advisory_lock(${GATE})`);
  await database.query(`
    CREATE OR REPLACE FUNCTION pass_gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      PERFORM set_config('lock_timeout', '0', true), pg_advisory_xact_lock_shared(${GATE});
      RETURN NULL;
    END $$;
    CREATE OR REPLACE TRIGGER gate BEFORE DELETE ON ${table} FOR EACH STATEMENT EXECUTE FUNCTION pass_gate()`);
  return {
    whenWaiting: (count) =>
      waitFor(`${count} who wait before the gate`, async () => {
        const waiting = await database.query(
          `SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = ${GATE} AND NOT granted
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
        );
        return waiting.length >= count;
      }),
    open: () => keeper.end(),
  };
}
