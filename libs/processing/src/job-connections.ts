import type { Pool } from 'pg';
import type { Db } from 'pg-boss';
import type { DataSource, EntityManager } from 'typeorm';

import { prepared } from '@daybook/platform';

const statementNames = new Map<string, string>();

/** pg-boss's statements, as part of a transaction. It makes few different ones, so they are prepared. */
export function inTransactionOf(manager: EntityManager): Db {
  return {
    executeSql: async (text, values = []) => {
      const name = statementNames.get(text) ?? `pg-boss/${statementNames.size}`;
      statementNames.set(text, name);
      return { rows: await prepared<object>(manager, name, text, values) };
    },
  };
}

/** pg-boss's statements, each on whatever connection is free. */
export function outsideTransactions(database: DataSource): Db {
  const { master } = database.driver as unknown as { master: Pool };
  return { executeSql: (text, values) => master.query(text, values) };
}
