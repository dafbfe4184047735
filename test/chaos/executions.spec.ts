import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { describeWithNats } from '../support/nats-server.js';
import { type BusName, ExecutionsCampaign, type ExecutionsReport } from './executions-campaign.js';

const REPORTS = 20_000;

interface Fought {
  readonly database: TestDatabase;
  readonly campaign: ExecutionsCampaign;
  readonly report: ExecutionsReport;
}

async function fight(bus: BusName): Promise<Fought> {
  const database = await createTestDatabase();
  const options = {
    reports: REPORTS,
    orders: 800,
    ratePerSecond: 4_000,
    kills: 3,
    brokerKills: 3,
    processes: 2,
  };
  const campaign = await ExecutionsCampaign.begin(database, { ...options, seed: 20261121, bus });
  try {
    return { database, campaign, report: await campaign.run() };
  } finally {
    await campaign.end();
  }
}

function expectFought({ report }: Fought, blows: number): void {
  expect(report.problems).toEqual([]);
  expect(report.blows).toHaveLength(blows);
  expect(report.reports).toBeGreaterThan(REPORTS);
  // Otherwise there was nothing to be told apart.
  expect(Math.min(report.repeated, report.quarantined, report.parked)).toBeGreaterThan(0);
}

describeWithNats()('with the NATS bus', () => {
  it('every execution is counted once, whoever is killed at it, the broker and its disk included', async () => {
    const fought = await fight('nats');
    await fought.database.drop();
    expectFought(fought, 6);
  }, 180_000);
});

describe('with the PostgreSQL bus', () => {
  let fought: Fought;
  beforeAll(async () => {
    fought = await fight('postgres');
  }, 180_000);
  afterAll(() => fought.database.drop());

  it('every execution is counted once, whoever is killed at it', () => {
    expectFought(fought, 3);
  });

  describe('the verdict would notice', () => {
    const query: TestDatabase['query'] = (text, values) => fought.database.query(text, values);

    /** What the verdict says after the damage; the damage is undone. */
    async function noticed(damage: string, undo: string): Promise<string[]> {
      await query(damage);
      const problems = await fought.campaign.judge();
      await query(undo);
      expect(await fought.campaign.judge()).toEqual([]);
      return problems;
    }

    /** A column of the first filled order, so much more, and back. */
    const filled = `(SELECT min(id) FROM exchange_orders WHERE status = 'filled')`;
    const change = (column: string, by: number) =>
      `UPDATE exchange_orders SET ${column} = ${column} + (${by}) WHERE id = ${filled}`;
    const removed = (table: string, condition: string): [damage: string, undo: string] => [
      `CREATE TABLE removed AS SELECT * FROM ${table} WHERE ${condition}; DELETE FROM ${table} WHERE ${condition}`,
      `INSERT INTO ${table} SELECT * FROM removed; DROP TABLE removed`,
    ];
    const alone = (table: string, order = 'exec_id') =>
      removed(table, `exec_id = (SELECT exec_id FROM ${table} ORDER BY ${order} LIMIT 1)`);

    it.each<[what: string, damage: string, undo: string, words: RegExp[]]>([
      [
        'too little filled',
        change('cum_quantity', -1),
        change('cum_quantity', 1),
        [
          /^of order X\S+ \d+ are filled, not \d+$/,
          /^order X\S+ is filled with \d+, and its journal ends with filled and \d+$/,
        ],
      ],
      [
        'a cent that nobody paid',
        change('traded_cents', 1),
        change('traded_cents', -1),
        [/^order X\S+ has traded \d+ cents, not \d+$/],
      ],
      [
        'a version without its journal row',
        change('version', 1),
        change('version', -1),
        [/^the journal of order X\S+ has \d+ rows for the versions 1 to \d+ of \d+$/],
      ],
      [
        'another status',
        `UPDATE exchange_orders SET status = 'expired' WHERE id = ${filled}`,
        `UPDATE exchange_orders SET status = 'filled' WHERE status = 'expired'`,
        [
          /^order X\S+ ended as expired, not filled$/,
          /^order X\S+ is expired with \d+, and its journal ends with filled and \d+$/,
        ],
      ],
      [
        'an execution that is lost',
        ...removed(
          'executions',
          `(order_id, exec_id) = (SELECT order_id, exec_id FROM executions
          WHERE type = 'trade' ORDER BY order_id, exec_id LIMIT 1)`,
        ),
        [/^order X\S+ has \d+ executions, not \d+$/, /^execution \S+ of order X\S+ is told 1 times$/],
      ],
      [
        'an execution under another name',
        `UPDATE executions SET exec_id = 'x' || exec_id
          WHERE type = 'trade' AND exec_id = (SELECT min(exec_id) FROM executions WHERE type = 'trade')`,
        `UPDATE executions SET exec_id = substr(exec_id, 2) WHERE exec_id LIKE 'x%'`,
        [
          /^order X\S+ has other executions than it had$/,
          /^execution S\S+ of order X\S+ is told 1 times$/,
          /^execution xS\S+ of order X\S+ is told 0 times$/,
        ],
      ],
      [
        'an over-fill that nobody is shown',
        ...alone('quarantined_executions'),
        [/^execution \S+ is not quarantined$/],
      ],
      ['a report that is forgotten', ...alone('parked_executions'), [/^execution \S+ is not parked$/]],
      [
        'a part that is behind',
        `UPDATE execution_offsets SET applied = applied - 1 WHERE partition = 3`,
        `UPDATE execution_offsets SET applied = applied + 1 WHERE partition = 3`,
        [/^part 3 is applied up to \d+$/],
      ],
    ])('%s', async (_what, damage, undo, words) => {
      const problems = await noticed(damage, undo);
      // The doctor notices some of it, too.
      const own = problems.filter((problem) => !problem.startsWith('doctor: '));
      expect(own).toEqual(words.map((pattern) => expect.stringMatching(pattern)));
    });

    it('an order that is lost, and one that nobody has placed', async () => {
      const moved = (by: number) => `UPDATE exchange_orders SET id = id + (${by}) WHERE id IN (
        SELECT id FROM exchange_orders WHERE status = 'filled' ORDER BY abs(id % 10000000000 - 5) LIMIT 1)`;
      const problems = await fought.campaign.judge();
      expect(problems).toEqual([]);
      await query(moved(90_000));
      const [lost, placed] = (await fought.campaign.judge()).filter((problem) => /lost|placed/.test(problem));
      expect(lost).toMatch(/^order X\S+ is lost$/);
      expect(placed).toMatch(/^nobody has placed order X\S+$/);
      await query(`UPDATE exchange_orders SET id = id - 90000 WHERE id % 10000000000 > 90000`);
      expect(await fought.campaign.judge()).toEqual([]);
    });
  });
});
