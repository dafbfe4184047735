import type { DataSourceOptions } from 'typeorm';

type PostgresOptions = Extract<DataSourceOptions, { readonly type: 'postgres' }>;

/** What every connection of Daybook's has. */
export const connectionOptions = {
  // A host that died without a word is noticed after some twenty seconds, not after the system's two hours.
  keepAlive: true,
  keepAliveInitialDelayMillis: 10_000,
  // A prepared statement may be planned while its tables are empty, and a plan that reads whole tables would stay in
  // use while they grow (docs/adr/0011). Whoever means to read all of a table allows it for the transaction.
  options: '-c enable_seqscan=off',
} as const;

/** How Daybook connects: bounded pool, and a bound on everything that could make a caller wait forever. */
export function dataSourceOptions(url: string, poolSize: number): PostgresOptions {
  return {
    type: 'postgres',
    url,
    applicationName: 'daybook',
    poolSize,
    connectTimeoutMS: 5_000,
    extra: {
      ...connectionOptions,
      statement_timeout: 10_000,
      lock_timeout: 5_000,
      idle_in_transaction_session_timeout: 30_000,
      // Statements issued together travel together, see `together`.
      pipeline: true,
    },
  };
}
