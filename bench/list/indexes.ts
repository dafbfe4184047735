import type { BenchDatabase } from '../support/database.ts';
import { showProgress } from '../support/terminal.ts';
import { shareOut } from './crew.ts';

interface Index {
  readonly table: string;
  readonly name: string;
  readonly drop: string;
  readonly create: string;
}

// All but the primary keys that begin with the order's number: what is filled in in their order costs them little.
const SCATTERED = `
  SELECT indrelid::regclass::text AS table, index.relname AS name,
    CASE WHEN conname IS NULL THEN format('DROP INDEX %s', indexrelid::regclass)
      ELSE format('ALTER TABLE %s DROP CONSTRAINT %I', indrelid::regclass, conname) END AS drop,
    CASE WHEN conname IS NULL THEN replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ')
      ELSE format('ALTER TABLE %s ADD CONSTRAINT %I %s', indrelid::regclass, conname,
        pg_get_constraintdef(pg_constraint.oid)) END AS create
  FROM pg_index JOIN pg_class index ON index.oid = indexrelid LEFT JOIN pg_constraint ON conindid = indexrelid
  WHERE indrelid = ANY($1::regclass[]) AND NOT (indisprimary AND (SELECT attname FROM pg_attribute
    WHERE attrelid = indrelid AND attnum = indkey[0]) IN ('id', 'order_id'))
  ORDER BY indrelid = 'orders'::regclass DESC, name`;

/**
 * Does work on tables while they lack the indexes that it would write to all over, and makes those again as they were:
 * sorting a month at a time is many times faster.
 */
export async function withoutIndexes(
  { url, client }: BenchDatabase,
  tables: readonly string[],
  work: () => Promise<void>,
): Promise<void> {
  const { rows: indexes } = await client.query<Index>(SCATTERED, [tables]);
  for (const { drop } of indexes) await client.query(drop);
  await work();
  const byTable = Map.groupBy(indexes, ({ table }) => table);
  await shareOut(url, [...byTable.values()], async (worker, ofTable) => {
    for (const { name, create } of ofTable) {
      showProgress(`making the index ${name} …`);
      await worker.query(create);
    }
  });
}
