import { findingsIn } from '../support/doctor.js';
import { type Expected, fingerprint } from './execution-oracle.js';
import type { WorkedDatabase } from './work-verdict.js';

const PUBLIC_ID = (stored: string) =>
  `'X' || ${stored} / 10000000000 || '-' || lpad((${stored} % 10000000000)::text, 5, '0')`;

const ORDERS = `
  SELECT ${PUBLIC_ID('id')} AS id, status, cum_quantity::text AS cum, traded_cents::text AS traded, version
  FROM exchange_orders`;

const EXECUTIONS = `
  SELECT ${PUBLIC_ID('order_id')} AS id, count(*)::int AS count,
    md5(string_agg(exec_id, ',' ORDER BY exec_id COLLATE "C")) AS fingerprint
  FROM executions GROUP BY order_id`;

const JOURNAL = `
  SELECT format('the journal of order %s has %s rows for the versions %s to %s of %s', id, count(position), min(told.version),
    max(told.version), orders.version) AS problem
  FROM (${ORDERS}) AS orders
  LEFT JOIN (SELECT * FROM journal WHERE entity_type = 'exchange_order') AS told ON entity_id = id
  GROUP BY id, orders.version
  HAVING count(position) <> orders.version OR count(DISTINCT told.version) <> orders.version
    OR min(told.version) IS DISTINCT FROM 1 OR max(told.version) IS DISTINCT FROM orders.version`;

const LAST_WORDS = `
  SELECT format('order %s is %s with %s, and its journal ends with %s and %s', id, status, cum,
    data -> 'after' ->> 'status', data -> 'after' ->> 'cumQuantity') AS problem
  FROM (${ORDERS}) AS orders
  JOIN journal ON entity_type = 'exchange_order' AND entity_id = id AND journal.version = orders.version
  WHERE data -> 'after' ->> 'status' IS DISTINCT FROM status
    OR coalesce(data -> 'after' ->> 'cumQuantity', '0') IS DISTINCT FROM cum`;

const TOLD = `
  SELECT entity_id AS id, exec_id, count(*) AS times
  FROM journal, jsonb_array_elements_text(data -> 'after' -> 'execIds') AS exec_id
  WHERE type = 'exchange_order.executed' GROUP BY entity_id, exec_id`;

// A report that changes nothing of its order is recorded, and there is nothing to tell.
const TELLING = `
  SELECT format('execution %s of order %s is told %s times', coalesce(told.exec_id, kept.exec_id),
    coalesce(told.id, kept.id), coalesce(told.times, 0)) AS problem
  FROM (${TOLD}) AS told
  FULL JOIN (SELECT ${PUBLIC_ID('order_id')} AS id, exec_id, type FROM executions) AS kept USING (id, exec_id)
  WHERE told.times IS DISTINCT FROM 1 AND (kept.type = 'trade' OR told.times IS NOT NULL) OR kept.exec_id IS NULL`;

const OFFSETS = `
  SELECT format('part %s is applied up to %s', partition, applied) AS problem FROM execution_offsets
  WHERE applied <> $1::bigint`;

const DEADLOCKS = 'SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()';

/**
 * Whether a stream was applied as promised, whatever happened to those who carried and applied it.
 * @param last the sequence number of its last report
 * @returns what is wrong, in words
 */
export async function judgeExecutions(
  database: WorkedDatabase,
  expected: Expected,
  last: number,
): Promise<string[]> {
  const problems = [...(await judgeOrders(database, expected)), ...(await judgeAside(database, expected))];
  for (const [clause, values] of [
    [JOURNAL, []],
    [LAST_WORDS, []],
    [TELLING, []],
    [OFFSETS, [last]],
  ] as const) {
    const rows = await database.query<{ problem: string }>(`${clause} ORDER BY problem`, [...values]);
    problems.push(...rows.map(({ problem }) => problem));
  }
  const findings = await findingsIn(database.url);
  const [seen] = await database.query<{ deadlocks: number }>(DEADLOCKS);
  return [
    ...problems,
    ...findings.flatMap(({ check, examples }) => examples.map((example) => `doctor: ${check}: ${example}`)),
    ...(seen?.deadlocks === 0 ? [] : [`deadlocks: ${seen?.deadlocks}`]),
  ];
}

async function judgeOrders(database: WorkedDatabase, { orders }: Expected): Promise<string[]> {
  const problems: string[] = [];
  const rows = await database.query<{ id: string; status: string; cum: string; traded: string }>(ORDERS);
  const kept = await database.query<{ id: string; count: number; fingerprint: string }>(EXECUTIONS);
  const keptOf = new Map(kept.map((row) => [row.id, row]));
  const found = new Set(rows.map(({ id }) => id));
  for (const id of orders.keys()) if (!found.has(id)) problems.push(`order ${id} is lost`);
  for (const { id, status, cum, traded } of rows) {
    const wanted = orders.get(id);
    if (wanted === undefined) {
      problems.push(`nobody has placed order ${id}`);
      continue;
    }
    const { cumQuantity, tradedCents, execIds } = wanted;
    if (status !== wanted.status) problems.push(`order ${id} ended as ${status}, not ${wanted.status}`);
    if (cum !== String(cumQuantity)) problems.push(`of order ${id} ${cum} are filled, not ${cumQuantity}`);
    if (traded !== String(tradedCents))
      problems.push(`order ${id} has traded ${traded} cents, not ${tradedCents}`);
    const { count = 0, fingerprint: print = fingerprint([]) } = keptOf.get(id) ?? {};
    if (count !== execIds.length) problems.push(`order ${id} has ${count} executions, not ${execIds.length}`);
    else if (print !== fingerprint(execIds)) problems.push(`order ${id} has other executions than it had`);
  }
  return problems;
}

async function judgeAside(database: WorkedDatabase, expected: Expected): Promise<string[]> {
  const problems: string[] = [];
  for (const where of ['quarantined', 'parked'] as const) {
    const rows = await database.query<{ execId: string }>(
      `SELECT exec_id AS "execId" FROM ${where}_executions`,
    );
    const [found, wanted] = [new Set(rows.map(({ execId }) => execId)), expected[where]];
    for (const execId of wanted) if (!found.has(execId)) problems.push(`execution ${execId} is not ${where}`);
    for (const execId of found) if (!wanted.has(execId)) problems.push(`execution ${execId} is ${where}`);
  }
  return problems;
}
