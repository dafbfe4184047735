import { IdGenerator } from '@daybook/id-generator';
import pg from 'pg';

import { startTestApp, type TestApp } from '../support/app.js';

const MONTHS_OF_HISTORY = 30;

let daybook: TestApp;
/** Replays what the server has sent, on a connection of its own. */
let client: pg.Client;
/** `YYYYMMDD` */
let today: string;

beforeAll(async () => {
  // Without a scheduler, so that no statement of a job comes between.
  daybook = await startTestApp({ DAYBOOK_ROLES: 'api' });
  // The middle of a month: nothing may depend on a neighbour being near.
  const middle = new Date(new Date().setUTCHours(12, 0, 0, 0)).setUTCDate(15);
  await daybook.database.shiftTime(`${middle - Date.now()} milliseconds`);
  today = new Date(middle).toISOString().slice(0, 10).replaceAll('-', '');
  await daybook.createProduct('TEA', 1_000);
  await writeHistory();
  client = new pg.Client({ connectionString: daybook.database.url });
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await daybook.stop();
});

/** Four hundred orders in every one of the past months, a tenth of them by alice. */
async function writeHistory(): Promise<void> {
  await daybook.database.query(
    `SELECT make_partitions(to_char(business_now() - make_interval(months => ago), 'YYYYMM'))
     FROM generate_series(0, $1) AS ago`,
    [MONTHS_OF_HISTORY],
  );
  await daybook.database.query(
    `INSERT INTO orders (id, customer_id, status, priority, currency, total_cents, placed_at, updated_at, version)
     SELECT to_char(at, 'YYYYMMDD')::bigint * 10000000000 + n, CASE n % 10 WHEN 0 THEN 'alice' ELSE 'bob' END,
       'delivered', 'normal', 'USD', 1, at, at, 1
     FROM generate_series(1, $1) AS ago, generate_series(1, 400) AS n,
       LATERAL (SELECT business_now() - make_interval(months => ago)) AS placed (at)`,
    [MONTHS_OF_HISTORY],
  );
}

type Value = string | number | Date | null | readonly string[];

interface Statement {
  /** Of a statement that the server parses once per connection. */
  readonly name: string | undefined;
  readonly text: string;
  readonly values: readonly Value[];
}

const PARTITIONED = /\b(orders|order_lines|order_allocations|journal)\b/;

/** What is sent to the database meanwhile and names a table that is split into months. */
async function statementsOf(work: () => Promise<unknown>): Promise<Statement[]> {
  const statements: Statement[] = [];
  const { prototype } = pg.Client;
  const query = Object.getOwnPropertyDescriptor(prototype, 'query') as PropertyDescriptor;
  const send = prototype.query as (...words: unknown[]) => unknown;
  prototype.query = function (this: pg.Client, ...words: unknown[]) {
    const [first, second] = words as [string | Statement, Value[]?];
    const { name, text, values } =
      typeof first === 'string' ? { name: undefined, text: first, values: second } : first;
    const isRead = typeof text === 'string' && PARTITIONED.test(text);
    if (isRead) statements.push({ name, text, values: Array.isArray(values) ? values : [] });
    return send.apply(this, words);
  } as typeof prototype.query;
  try {
    await work();
  } finally {
    Object.defineProperty(prototype, 'query', query);
  }
  expect(statements).not.toEqual([]);
  return statements;
}

function literal(value: Value): string {
  if (value === null) return 'NULL';
  if (value instanceof Date) return pg.escapeLiteral(value.toISOString());
  return pg.escapeLiteral(typeof value === 'object' ? `{${value.join()}}` : String(value));
}

/** The same order once more, under a number that is not taken. */
const renumbered = ({ text, ...rest }: Statement): Statement => {
  if (!/^\s*(WITH|INSERT)/.test(text)) return { ...rest, text };
  const again = (value: Value) =>
    typeof value === 'string'
      ? value.replaceAll(/(\d{8})00000(\d{5})/g, '$100077$2').replaceAll(/(\d{8})-(\d{5})/g, '$1-77$2')
      : value;
  return { ...rest, text, values: rest.values.map(again) };
};

/**
 * The months that a statement opens, table by table, when its connection has sent it often enough for PostgreSQL to
 * choose a plan for good. What is left out of the plan is not even locked.
 */
async function monthsOpened(statement: Statement): Promise<string[]> {
  const { name, text, values } = renumbered(statement);
  const execute = `EXECUTE replayed${values.length > 0 ? `(${values.map(literal).join()})` : ''}`;
  // Without a name it is parsed anew each time, and planned for the values that come with it.
  await client.query(`SET plan_cache_mode = ${name === undefined ? 'force_custom_plan' : 'auto'}`);
  await client.query(`PREPARE replayed AS ${text}`);
  await client.query('BEGIN');
  try {
    for (let times = 0; times < 10; times += 1) {
      await client.query('SAVEPOINT before');
      await client.query(execute);
      await client.query('ROLLBACK TO before');
    }
    await client.query(execute);
    const { rows } = await client.query<{ name: string }>(
      `SELECT relname AS name FROM pg_locks JOIN pg_class ON pg_class.oid = relation
       WHERE pid = pg_backend_pid() AND relname ~ '_\\d{6}$' ORDER BY 1`,
    );
    return rows.map(({ name: table }) => table);
  } finally {
    await client.query('ROLLBACK');
    await client.query('DEALLOCATE replayed');
  }
}

const expectFewMonths = async (statements: readonly Statement[], limit = 1) => {
  for (const statement of statements) {
    const opened = await monthsOpened(statement);
    const byTable = Map.groupBy(opened, (name) => name.slice(0, -7));
    for (const months of byTable.values())
      expect({ statement: statement.text, months: months.slice(limit) }).toEqual({
        statement: statement.text,
        months: [],
      });
  }
};

const place = () => daybook.api('POST', '/orders', { body: { lines: [{ sku: 'TEA', quantity: 1 }] } });

describe(`with ${MONTHS_OF_HISTORY} months of history, one month of each table is opened`, () => {
  it('to place an order', async () => {
    const statements = await statementsOf(place);
    expect(statements.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['orders/insert', 'journal/append']),
    );
    await expectFewMonths(statements);
  });

  it('to change the status of an order, and to allocate its stock anew', async () => {
    const { id } = (await place()).body;
    for (const status of ['processing', 'failed', 'pending', 'cancelled']) {
      const statements = await statementsOf(() =>
        daybook.api('PATCH', `/orders/${id}`, { body: { status } }),
      );
      expect(statements.map(({ name }) => name)).toContain('orders/update-statuses');
      await expectFewMonths(statements);
    }
  });

  it('to get an order, with its lines and allocations', async () => {
    const { id } = (await place()).body;
    const statements = await statementsOf(() => daybook.api('GET', `/orders/${id}`));
    expect(statements).toHaveLength(3);
    await expectFewMonths(statements);
  });

  it('to get an order of long ago', async () => {
    const [{ id }] = (await daybook.database.query('SELECT min(id)::text AS id FROM orders')) as [
      { id: string },
    ];
    const path = `/orders/${id.slice(0, 8)}-${id.slice(-5)}`;
    await expectFewMonths(await statementsOf(() => daybook.api('GET', path)));
  });

  it('to find the highest number of a day', async () => {
    const series = { name: 'order', prefix: '', table: 'orders', column: 'id' } as const;
    await expectFewMonths(await statementsOf(() => daybook.app.get(IdGenerator).prepare(series, today)));
  });
});

describe('the audit trail of an order', () => {
  it('is looked for in the month of its number and later ones', async () => {
    const { id } = (await place()).body;
    const statements = await statementsOf(() => daybook.api('GET', `/orders/${id}/audit`));
    expect(statements).toHaveLength(1);
    // This month and the two that are made ahead of time.
    await expectFewMonths(statements, 3);
  });
});

describe('the list of orders', () => {
  /** How many scans of a plan were not only planned but begun. */
  const scansBegun = (plan: Plan): number =>
    Number(plan['Relation Name'] !== undefined && plan['Actual Loops'] > 0) +
    (plan.Plans ?? []).reduce((sum, child) => sum + scansBegun(child), 0);

  interface Plan {
    readonly 'Relation Name'?: string;
    readonly 'Actual Loops': number;
    readonly Plans?: readonly Plan[];
  }

  async function monthsBegun({ text, values }: Statement): Promise<number> {
    const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
      `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`,
      [...values],
    );
    return scansBegun(rows[0]?.['QUERY PLAN'][0].Plan as Plan);
  }

  // The months that are made ahead of time are looked into on the way, and this month, which is nearly empty.
  it.each([
    ['the newest fifty', '', 4],
    ["a customer's newest fifty", '?customerId=alice', 5],
  ])('reads %s from the newest months, and stops there', async (_, query, months) => {
    await daybook.database.query('ANALYZE orders');
    const [statement] = await statementsOf(() => daybook.api('GET', `/orders${query}`));
    expect(await monthsBegun(statement as Statement)).toBe(months);
  });

  it('goes on from where a page ended without the months that are newer', async () => {
    const { body } = await daybook.api('GET', '/orders?customerId=alice&limit=200');
    const next = `/orders?customerId=alice&limit=20&cursor=${body.nextCursor}`;
    const [statement] = await statementsOf(() => daybook.api('GET', next));
    expect(await monthsBegun(statement as Statement)).toBeLessThan(3);
  });
});
