import { type OwnVenue, startVenue } from '../support/exchange-simulator.js';
import { ExchangeCampaign } from './exchange-campaign.js';
import { Site } from './site.js';

let venue: OwnVenue;
let site: Site;
let campaign: ExchangeCampaign;
beforeAll(async () => {
  const behaviour = { failurePercent: 10, lostAnswerPercent: 10, latencyMaxMs: 400 };
  venue = await startVenue({ seed: 20261121, behaviour });
  site = await Site.open({
    environment: {
      EXCHANGE_URL: venue.url,
      EXCHANGE_TIMEOUT_MS: '1000',
      DAYBOOK_ROLES: 'api,scheduler,receiver,consumer',
    },
  });
  campaign = new ExchangeCampaign(site, venue, { seed: 20261121, orders: 120, kills: 2, connections: 12 });
});
afterAll(async () => {
  await site.close();
  await venue.stop();
});

it('every order is here as it is at the venue, and there once, whatever is lost on the way', async () => {
  const report = await campaign.run();
  expect(report.problems).toEqual([]);
  const placed = Object.values(report.statuses).reduce((sum, count) => sum + count, 0);
  expect(placed).toBe(120);
  // Otherwise nothing was killed in the middle of anything, or nothing went wrong besides.
  expect(report.retried).toBeGreaterThan(0);
  expect(report.failedAtVenue).toBeGreaterThan(0);
  expect(report.unansweredByVenue).toBeGreaterThan(0);
  expect(Object.keys(report.statuses)).toEqual(['cancelled', 'created', 'failed', 'filled']);
}, 120_000);

describe('the verdict would notice', () => {
  /** What it says after the damage that it did not say before; the damage is undone. */
  async function noticed(damage: string, undo: string): Promise<string[]> {
    await site.query(damage);
    const problems = await campaign.judge();
    await site.query(undo);
    expect(await campaign.judge()).toEqual([]);
    return problems.filter((problem) => !problem.startsWith('doctor: '));
  }

  async function anOrder(status: string): Promise<{ stored: string; id: string }> {
    const [order] = await site.query<{ stored: string; id: string }>(
      `SELECT id::text AS stored, 'X' || left(id::text, 8) || '-' || right(id::text, 5) AS id
       FROM exchange_orders WHERE status = '${status}' ORDER BY id LIMIT 1`,
    );
    return order as NonNullable<typeof order>;
  }

  it('another status than that at the venue', async () => {
    const { stored, id } = await anOrder('created');
    const change = (status: string) => `UPDATE exchange_orders SET status = '${status}' WHERE id = ${stored}`;
    expect(await noticed(change('rejected'), change('created'))).toEqual([
      `order ${id} is rejected, 0 filled for 0 cents here, and created, 0 filled for 0 cents at the venue`,
    ]);
  });

  it('a fill that was counted twice, or not at all', async () => {
    const { stored, id } = await anOrder('filled');
    const change = (by: string) =>
      `UPDATE exchange_orders SET traded_cents = traded_cents ${by} WHERE id = ${stored}`;
    expect(await noticed(change('+ 1'), change('- 1'))).toEqual([
      expect.stringMatching(`^order ${id} is filled, .* here, and filled, .* at the venue$`),
    ]);
  });

  it('an order at the venue that nobody knows here, and one that was answered and is lost', async () => {
    const { stored, id } = await anOrder('filled');
    await site.query(`CREATE TABLE lost AS SELECT * FROM exchange_orders WHERE id = ${stored}`);
    const problems = await noticed(
      `DELETE FROM exchange_orders WHERE id = ${stored}`,
      'INSERT INTO exchange_orders SELECT * FROM lost; DROP TABLE lost',
    );
    expect(problems).toEqual([
      expect.stringMatching(/^wish-\d+ was answered 20\d, and is 0 orders$/),
      '120 orders were wished, and there are 119',
      `order ${id} is at the venue, and not here`,
    ]);
  });
});
