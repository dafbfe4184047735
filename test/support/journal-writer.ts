import pg from 'pg';

import type { TestDatabase } from './database.js';

/** A connection that writes the journal at the pace of a test. */
export interface JournalWriter {
  begin(): Promise<void>;
  /** As `begin`, and has its transaction id from now on. */
  beginWithId(): Promise<bigint>;
  /** @returns the position */
  append(entityId: string, version?: number | null): Promise<string>;
  commit(): Promise<void>;
  rollBack(): Promise<void>;
  end(): Promise<void>;
}

const APPEND = `
  INSERT INTO journal (occurred_at, actor, request_id, type, entity_type, entity_id, version, data)
  SELECT business_now(), 'alice', 'request-1', 'kettle.boiled', 'kettle', $1, $2, '{"after":{"note":"line\\nbreak"}}'
  WHERE pg_current_xact_id() IS NOT NULL RETURNING position`;

export async function openJournalWriter({ url }: TestDatabase): Promise<JournalWriter> {
  const client = new pg.Client({ connectionString: url });
  // A test that fails drops the database under it.
  client.on('error', () => undefined);
  await client.connect();
  const run = async (text: string) => void (await client.query(text));
  return {
    begin: () => run('BEGIN'),
    beginWithId: async () => {
      await run('BEGIN');
      const { rows } = await client.query<{ id: string }>('SELECT pg_current_xact_id() AS id');
      return BigInt(rows[0]?.id ?? 0);
    },
    append: async (entityId, version = null) => {
      const { rows } = await client.query<{ position: string }>(APPEND, [entityId, version]);
      return rows[0]?.position ?? '';
    },
    commit: () => run('COMMIT'),
    rollBack: () => run('ROLLBACK'),
    end: () => client.end(),
  };
}
