import { findingsIn } from '../support/doctor.js';

/** A database in which orders were worked off. */
export interface WorkedDatabase {
  readonly url: string;
  query<Row>(text: string, values?: unknown[]): Promise<Row[]>;
}

const NUMBER = `(id / 10000000000) || '-' || lpad((id % 10000000000)::text, 5, '0')`;
const ORDERS = `SELECT id AS stored, ${NUMBER} AS number, status FROM orders`;

/** Attempts as they were begun and as they ended, in the order of the journal. */
const ATTEMPTS = `
  SELECT entity_id AS number, version, data -> 'after' ->> 'status' AS status,
    (data -> 'attempt' ->> 'number')::int AS attempt, data -> 'attempt' ->> 'outcome' AS outcome
  FROM journal WHERE entity_type = 'order' AND data ? 'attempt'`;

const CLAUSES = [
  // Every order that was answered is worked off.
  `SELECT format('order %s was answered, and is lost', number) AS problem
   FROM unnest($1::text[]) AS told (number) WHERE NOT EXISTS (SELECT FROM orders WHERE ${NUMBER} = told.number)`,
  `SELECT format('nobody was told of order %s', number) AS problem
   FROM (${ORDERS}) AS stored WHERE number <> ALL ($1::text[])`,
  `SELECT format('order %s ended as %s', number, status) AS problem
   FROM (${ORDERS}) AS stored WHERE number = ANY ($1::text[]) AND status NOT IN ('confirmed', 'failed')`,

  // One outcome was applied to each, and it is the one that it has.
  `SELECT format('order %s has %s outcomes: %s', number, count(outcome), string_agg(outcome, ', ' ORDER BY version))
     AS problem
   FROM (${ORDERS}) AS stored
   LEFT JOIN (SELECT number, version, outcome FROM (${ATTEMPTS}) AS attempt
     WHERE status IN ('confirmed', 'failed')) AS applied USING (number)
   WHERE number = ANY ($1::text[]) GROUP BY number HAVING count(outcome) <> 1`,
  `SELECT format('order %s went to %s with the outcome %s', number, status, outcome) AS problem
   FROM (${ATTEMPTS}) AS attempt
   WHERE (status = 'confirmed') <> (outcome IS NOT DISTINCT FROM 'confirmed') AND number = ANY ($1::text[])`,

  // Attempts are counted from 1; one that was handed back does not count.
  `SELECT format('attempt %s at order %s followed attempt %s (%s)', attempt, number, previous, ending) AS problem
   FROM (SELECT *, lag(attempt) OVER life AS previous, lag(outcome) OVER life AS ending
     FROM (${ATTEMPTS}) AS attempt WINDOW life AS (PARTITION BY number ORDER BY version)) AS attempt
   WHERE number = ANY ($1::text[]) AND attempt IS DISTINCT FROM CASE
     WHEN previous IS NULL THEN 1
     WHEN outcome IS NOT NULL OR ending = 'handed_back' THEN previous
     ELSE previous + 1 END`,

  // Its job is gone, or is among the dead ones when the order has failed.
  `SELECT format('order %s is %s, and has a job that is %s', number, orders.status, job.state) AS problem
   FROM pgboss.job AS job JOIN (${ORDERS}) AS orders ON orders.number = job.data ->> 'orderId'
   WHERE job.name = 'orders' AND orders.status NOT IN ('pending', 'processing')`,
  `SELECT format('there is a job for order %s, and no such order', job.data ->> 'orderId') AS problem
   FROM pgboss.job AS job
   WHERE NOT EXISTS (SELECT FROM (${ORDERS}) AS orders WHERE orders.number = job.data ->> 'orderId')`,
  `SELECT format('order %s is %s, and there are %s dead jobs for it', number, status, count(job.id)) AS problem
   FROM (${ORDERS}) AS orders
   LEFT JOIN pgboss.job AS job ON job.name = 'orders-dead' AND job.data ->> 'orderId' = orders.number
   GROUP BY number, status HAVING count(job.id) <> (CASE status WHEN 'failed' THEN 1 ELSE 0 END)`,
];

const DEADLOCKS = 'SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()';

/** What is known of the work without looking into the database. */
export interface Told {
  /** The numbers of the orders that were answered: of all that there are. */
  readonly numbers: readonly string[];
  /** What the workers have logged. */
  readonly output: string;
}

/**
 * Whether orders were worked off as promised, whatever happened to their workers.
 * @returns what is wrong, in words
 */
export async function judgeWork(database: WorkedDatabase, { numbers, output }: Told): Promise<string[]> {
  const problems: string[] = [];
  for (const clause of CLAUSES) {
    const values = clause.includes('$1') ? [numbers] : [];
    const rows = await database.query<{ problem: string }>(`${clause} ORDER BY problem`, values);
    problems.push(...rows.map(({ problem }) => problem));
  }
  const findings = await findingsIn(database.url);
  const [seen] = await database.query<{ deadlocks: number }>(DEADLOCKS);
  const errors = output.split('\n').filter((line) => /"level":"(error|fatal)"/.test(line));
  return [
    ...problems,
    ...findings.flatMap(({ check, examples }) => examples.map((example) => `doctor: ${check}: ${example}`)),
    ...(seen?.deadlocks === 0 ? [] : [`deadlocks: ${seen?.deadlocks}`]),
    ...errors.map((line) => `a worker said: ${line}`),
  ];
}
