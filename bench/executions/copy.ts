import { performance } from 'node:perf_hooks';
import type { Client, Connection, Submittable } from 'pg';
import { settle, type BenchDatabase } from '../support/database.ts';

const ROWS_PER_CHUNK = 5_000;

/** The executions that were applied, loaded by one COPY into a table without any index: rows a second, until it is committed. */
export async function measureCopy(database: BenchDatabase, rows: number): Promise<number> {
  const { client } = database;
  await client.query(`
    DROP TABLE IF EXISTS plain_executions;
    CREATE TABLE plain_executions (order_id bigint NOT NULL, exec_id text NOT NULL, type text NOT NULL, sequence bigint NOT NULL,
      quantity bigint, price_cents bigint, executed_at timestamptz NOT NULL)`);
  const chunks = await readChunks(client, rows);
  await settle(database);
  const begin = performance.now();
  await copyIn(
    client,
    'COPY plain_executions FROM STDIN',
    chunks.map(({ text }) => text),
  );
  const seconds = (performance.now() - begin) / 1_000;
  await client.query('DROP TABLE plain_executions');
  return chunks.reduce((sum, { count }) => sum + count, 0) / seconds;
}

interface Chunk {
  readonly text: string;
  readonly count: number;
}

async function readChunks(client: Client, rows: number): Promise<Chunk[]> {
  const chunks: Chunk[] = [];
  for (let from = 0; from < rows; from += ROWS_PER_CHUNK) {
    const { rows: found } = await client.query<Chunk>(
      `SELECT coalesce(string_agg(concat_ws(E'\\t', order_id, exec_id, type, sequence, quantity, price_cents, executed_at), E'\\n') || E'\\n', '') AS text,
         count(*)::int AS count
       FROM (SELECT * FROM executions ORDER BY order_id, exec_id LIMIT $1 OFFSET $2) AS applied`,
      [ROWS_PER_CHUNK, from],
    );
    const [chunk] = found;
    if (chunk === undefined || chunk.count === 0) break;
    chunks.push(chunk);
  }
  return chunks;
}

type CopyConnection = Connection & {
  query(text: string): void;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
};

/** The driver speaks the protocol of COPY, but offers no query that does. */
class CopyIn implements Submittable {
  readonly #done = Promise.withResolvers<void>();
  readonly #statement: string;
  readonly #chunks: readonly Buffer[];

  constructor(statement: string, chunks: readonly string[]) {
    this.#statement = statement;
    this.#chunks = chunks.map((chunk) => Buffer.from(chunk));
  }

  get done(): Promise<void> {
    return this.#done.promise;
  }

  submit(connection: Connection): void {
    (connection as CopyConnection).query(this.#statement);
  }

  handleCopyInResponse(connection: CopyConnection): void {
    for (const chunk of this.#chunks) connection.sendCopyFromChunk(chunk);
    connection.endCopyFrom();
  }

  handleCommandComplete(): void {}

  handleReadyForQuery(): void {
    this.#done.resolve();
  }

  handleError(error: Error): void {
    this.#done.reject(error);
  }
}

async function copyIn(client: Client, statement: string, chunks: readonly string[]): Promise<void> {
  const query = new CopyIn(statement, chunks);
  client.query(query);
  await query.done;
}
