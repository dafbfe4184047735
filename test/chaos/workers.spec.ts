import pg from 'pg';

import { type Fleet, startFleet } from '../support/fleet.js';
import { waitFor } from '../support/wait-for.js';
import { judgeWork } from './work-verdict.js';
import { WorkersCampaign, type WorkReport } from './workers-campaign.js';

let fleet: Fleet;
let campaign: WorkersCampaign;
beforeAll(async () => {
  fleet = await startFleet([{}]);
  const { url, query } = fleet.database;
  const origin = `${fleet.servers[0]?.origin}`;
  campaign = await WorkersCampaign.begin(
    { origin, url, query },
    { seed: 20261121, orders: 60, processes: 2, leaseSeconds: 3 },
  );
});
afterAll(async () => {
  await campaign.end();
  await fleet.stop();
});

it('every order is done once, however many workers are killed at it', async () => {
  const reports: WorkReport[] = [];
  for (let round = 1; round <= 2; round += 1) reports.push(await campaign.runRound(round));
  expect(reports.flatMap(({ problems }) => problems)).toEqual([]);
  const sum = (count: (report: WorkReport) => number) =>
    reports.reduce((total, report) => total + count(report), 0);
  expect(sum(({ confirmed, failed }) => confirmed + failed)).toBe(120);
  // Otherwise nobody was killed in the middle of anything, or nothing went wrong besides.
  expect(Math.min(...reports.map(({ abandoned }) => abandoned))).toBeGreaterThan(0);
  expect(sum(({ failed }) => failed)).toBeGreaterThan(0);
}, 120_000);

describe('the verdict would notice', () => {
  let confirmed: string;
  let failed: string;
  beforeAll(async () => {
    const numberOf = async (status: string) => {
      const [row] = await query<{ number: string }>(
        `SELECT entity_id AS number FROM journal WHERE data -> 'after' ->> 'status' = '${status}' LIMIT 1`,
      );
      return `${row?.number}`;
    };
    confirmed = await numberOf('confirmed');
    failed = await numberOf('failed');
    // The workers are still there, and would clear away what is planted here.
    await query('UPDATE order_queues SET paused_at = business_now()');
  });

  const query: Fleet['database']['query'] = (text, values) => fleet.database.query(text, values);
  const judge = (numbers = campaign.told, output = '') => judgeWork(fleet.database, { numbers, output });
  const stored = (number: string) => number.replace('-', '00000');
  const alter = (change: string) =>
    `ALTER TABLE journal DISABLE TRIGGER journal_is_append_only; ${change};
     ALTER TABLE journal ENABLE TRIGGER journal_is_append_only`;

  /** What the verdict says after the damage that it did not say before; the damage is undone. */
  async function noticed(damage: string, undo: string): Promise<string[]> {
    await query(damage);
    const problems = await judge();
    await query(undo);
    expect(await judge()).toEqual([]);
    return problems;
  }

  const withoutDoctor = (problems: readonly string[]) =>
    problems.filter((problem) => !problem.startsWith('doctor: '));

  it('an order that was answered and is lost', async () => {
    expect(await judge([...campaign.told, '20201231-00001'])).toEqual([
      'order 20201231-00001 was answered, and is lost',
    ]);
  });

  it('an order that nobody was told of', async () => {
    const [first, ...others] = campaign.told;
    expect(await judge(others)).toEqual([`nobody was told of order ${first}`]);
  });

  it('an order that is not done', async () => {
    const change = (status: string) =>
      `UPDATE orders SET status = '${status}' WHERE id = ${stored(confirmed)}`;
    const problems = await noticed(change('processing'), change('confirmed'));
    expect(withoutDoctor(problems)).toEqual([`order ${confirmed} ended as processing`]);
  });

  it('a second outcome', async () => {
    const problems = await noticed(
      `INSERT INTO journal (occurred_at, actor, request_id, type, entity_type, entity_id, version, data)
       SELECT occurred_at, 'nobody', request_id, type, entity_type, entity_id, version + 1, data FROM journal
       WHERE entity_id = '${confirmed}' AND data -> 'after' ->> 'status' = 'confirmed'`,
      alter(`DELETE FROM journal WHERE actor = 'nobody'`),
    );
    expect(problems).toContain(`order ${confirmed} has 2 outcomes: confirmed, confirmed`);
    // The version that the order never had, and the move that is none.
    expect(problems).toContainEqual(expect.stringMatching('^doctor: journal/versions: '));
    expect(problems).toContainEqual(expect.stringMatching('^doctor: journal/edges: '));
  });

  /** Writes this into every journal row with this status of the order. */
  const rewrite = (number: string, status: string, path: string, value: string) =>
    alter(`UPDATE journal SET data = jsonb_set(data, '${path}', '${value}')
      WHERE entity_id = '${number}' AND data -> 'after' ->> 'status' = '${status}'`);

  it('an order that has come to something else than its outcome', async () => {
    const change = (outcome: string) => rewrite(confirmed, 'confirmed', '{attempt,outcome}', `"${outcome}"`);
    expect(await noticed(change('timed_out'), change('confirmed'))).toEqual([
      `order ${confirmed} went to confirmed with the outcome timed_out`,
    ]);
  });

  it('an attempt that was left out', async () => {
    const once = campaign.told.join(`','`);
    const [first] = await query<{ number: string }>(
      `SELECT entity_id AS number FROM journal WHERE entity_id IN ('${once}') AND type = 'order.status_changed'
       GROUP BY entity_id HAVING count(*) = 2 LIMIT 1`,
    );
    const number = `${first?.number}`;
    const change = (attempt: string) => rewrite(number, 'processing', '{attempt,number}', attempt);
    expect(await noticed(change('2'), change('1'))).toEqual([
      `attempt 1 at order ${number} followed attempt 2 ()`,
      `attempt 2 at order ${number} followed attempt  ()`,
    ]);
  });

  it('a job of an order that is done, and one of no order', async () => {
    const problems = await noticed(
      `INSERT INTO pgboss.job (name, id, data)
       VALUES ('orders', job_id_of(${stored(confirmed)}), '{"orderId": "${confirmed}"}'),
         ('orders', job_id_of(10000000001), '{"orderId": "1-1"}')`,
      `DELETE FROM pgboss.job WHERE name = 'orders'`,
    );
    expect(withoutDoctor(problems)).toEqual([
      `order ${confirmed} is confirmed, and has a job that is created`,
      'there is a job for order 1-1, and no such order',
    ]);
  });

  it('a dead job that is missing, and one of an order that lives', async () => {
    const change = (from: string, to: string) =>
      `UPDATE pgboss.job SET id = job_id_of(${stored(to)}), data = jsonb_set(data, '{orderId}', '"${to}"')
       WHERE name = 'orders-dead' AND data ->> 'orderId' = '${from}'`;
    const problems = await noticed(change(failed, confirmed), change(confirmed, failed));
    expect(withoutDoctor(problems).toSorted()).toEqual(
      [
        `order ${failed} is failed, and there are 0 dead jobs for it`,
        `order ${confirmed} is confirmed, and there are 1 dead jobs for it`,
      ].toSorted(),
    );
  });

  it('a version that is missing in the journal', async () => {
    const row = `entity_id = '${confirmed}' AND data -> 'after' ->> 'status' = 'processing'`;
    await query(`CREATE TABLE lost_rows AS SELECT * FROM journal WHERE ${row}`);
    const problems = await noticed(
      alter(`DELETE FROM journal WHERE ${row}`),
      'INSERT INTO journal OVERRIDING SYSTEM VALUE SELECT * FROM lost_rows; DROP TABLE lost_rows',
    );
    expect(problems).toContainEqual(
      expect.stringMatching(`^doctor: journal/versions: order ${confirmed} is at version`),
    );
  });

  it('stock that does not add up', async () => {
    const change = (sign: string) => `UPDATE stock_levels SET allocated = allocated ${sign} 1`;
    expect(await noticed(change('+'), change('-'))).toEqual([
      expect.stringMatching(/^doctor: stock\/allocated: /),
    ]);
  });

  it('a worker that reported an error', async () => {
    const lines = ['{"level":"warn","msg":"so so"}', '{"level":"error","msg":"bad"}', ''];
    expect(await judge(campaign.told, lines.join('\n'))).toEqual([
      'a worker said: {"level":"error","msg":"bad"}',
    ]);
  });

  // The last one, because the database counts on.
  it('transactions that have met in a deadlock', async () => {
    const [one, other] = [1, 2].map(() => new pg.Client({ connectionString: fleet.database.url }));
    await Promise.all([one?.connect(), other?.connect()]);
    await one?.query('BEGIN; SELECT pg_advisory_xact_lock(1)');
    await other?.query('BEGIN; SELECT pg_advisory_xact_lock(2)');
    const met = await Promise.allSettled([
      one?.query('SELECT pg_advisory_xact_lock(2)'),
      other?.query('SELECT pg_advisory_xact_lock(1)'),
    ]);
    expect(met.filter(({ status }) => status === 'rejected')).toHaveLength(1);
    await Promise.all([one?.end(), other?.end()]);
    await waitFor('the count', async () => (await judge()).includes('deadlocks: 1'));
  });
});
