import pg from 'pg';

interface Plan {
  readonly 'Relation Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly Plan[];
}

interface Explained {
  readonly rows: readonly { readonly 'QUERY PLAN': readonly [{ readonly Plan: Plan }] }[];
}

/**
 * How many rows of tables a query looks at, whether or not it keeps them. Each is explained where it is about to run, with
 * the settings that its transaction has by then.
 * @param queries which of all that are sent meanwhile
 * @returns for each of them, in turn
 */
export async function rowsRead(queries: RegExp, work: () => Promise<unknown>): Promise<number[]> {
  const plans: Promise<Explained>[] = [];
  const { prototype } = pg.Client;
  const query = Object.getOwnPropertyDescriptor(prototype, 'query') as PropertyDescriptor;
  const send = prototype.query as (...words: unknown[]) => unknown;
  prototype.query = function (this: pg.Client, ...words: unknown[]) {
    const [text, values] = words;
    if (typeof text === 'string' && /^\s*SELECT/.test(text) && queries.test(text))
      plans.push(send.call(this, `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`, values) as Promise<Explained>);
    return send.apply(this, words);
  } as typeof prototype.query;
  try {
    await work();
  } finally {
    Object.defineProperty(prototype, 'query', query);
  }
  const explained = await Promise.all(plans);
  return explained.map(({ rows }) => lookedAt(rows[0]?.['QUERY PLAN'][0].Plan as Plan));
}

function lookedAt(plan: Plan): number {
  const { 'Relation Name': relation, 'Actual Rows': kept, 'Rows Removed by Filter': removed = 0 } = plan;
  const here = relation === undefined ? 0 : (kept + removed) * plan['Actual Loops'];
  return (plan.Plans ?? []).reduce((sum, child) => sum + lookedAt(child), here);
}
