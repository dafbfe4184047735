import { createTestDatabase } from '../support/database.js';
import { type Fleet, startFleet } from '../support/fleet.js';
import { DaybookShop } from './daybook-shop.js';
import { NaiveShop } from './naive-shop.js';
import { judge } from './sale-verdict.js';
import type { Books, Shop } from './shop.js';
import { StockCampaign } from './stock-campaign.js';

const SALE = { buyers: 50, pieces: 10, seed: 20261120 };

describe('10 pieces for 50 buyers at two processes', () => {
  let fleet: Fleet;
  let shop: Shop;
  beforeAll(async () => {
    fleet = await startFleet([{}, {}]);
    shop = await DaybookShop.open(
      {
        origins: fleet.servers.map(({ origin }) => origin),
        databaseUrl: fleet.database.url,
        query: fleet.database.query,
      },
      SALE.buyers,
    );
  });
  afterAll(async () => {
    await shop.close();
    await fleet.stop();
  });

  it('are 10 orders, every time, however many of them think again or ask twice', async () => {
    const campaign = new StockCampaign(shop, SALE);
    for (let round = 1; round <= 4; round += 1) await campaign.runRound(round);
    await campaign.audit();
    expect(campaign.problems).toEqual([]);
    expect(campaign.reports.map(({ sold }) => sold)).toEqual([10, 10, 10, 10]);
    // Otherwise nobody thought again, and nobody asked twice.
    const { released, refused, repeated } = campaign.totals();
    expect(Math.min(released, refused, repeated)).toBeGreaterThan(0);
  });
});

it('a shop that reads, checks and writes without a lock fails the same verdict', async () => {
  const database = await createTestDatabase();
  const shop = await NaiveShop.open(database.url, SALE.seed);
  const campaign = new StockCampaign(shop, SALE);
  const { sold } = await campaign.runRound(1);
  expect(sold).toBeGreaterThan(SALE.pieces);
  expect(campaign.problems).toContain(`10 pieces, ${sold} orders`);
  expect(campaign.problems).toContainEqual(expect.stringMatching(/^\d+ allocated, the orders come to \d+$/));
  await shop.close();
  await database.drop();
});

describe('the verdict', () => {
  const RIGHT: Books = { onHand: 2, reserved: 0, allocated: 2, held: 0, ordered: 2, orderIds: ['1', '2'] };
  const TOLD = { orderIds: ['1', '2'], protests: [] };

  it('finds nothing wrong with as many orders as pieces', () => {
    expect(judge(2, TOLD, RIGHT)).toEqual([]);
  });

  it.each<[string, Partial<Books>, object, string]>([
    [
      'a piece left over',
      { orderIds: ['1'], ordered: 1, allocated: 1 },
      { orderIds: ['1'] },
      '2 pieces, 1 orders',
    ],
    ['a piece too many', { orderIds: ['1', '2', '3'] }, { orderIds: ['1', '2', '3'] }, '2 pieces, 3 orders'],
    ['an order told twice', {}, { orderIds: ['1', '1', '2'] }, '3 buyers were told of 2 orders'],
    ['an order lost', {}, { orderIds: ['1', '2', '3'] }, '1 orders that were told are lost'],
    ['an order that nobody knows of', {}, { orderIds: ['1'] }, '1 orders were told to nobody'],
    ['goods that disappear', { onHand: 1 }, {}, '1 on hand; 2 were put there'],
    ['a reservation nobody made', { reserved: 1 }, {}, '1 reserved, the holds come to 0'],
    ['an allocation without an order', { allocated: 3 }, {}, '3 allocated, the orders come to 2'],
    ['a hold that never ends', { held: 1, reserved: 1 }, {}, '1 still held when everybody had gone'],
    ['more promised than there is', { allocated: 3 }, {}, 'oversold: 0 reserved and 3 allocated of 2'],
    ['an answer nobody should get', {}, { protests: ['500'] }, '500'],
  ])('would notice %s', (_, books, told, problem) => {
    expect(judge(2, { ...TOLD, ...told }, { ...RIGHT, ...books })).toContain(problem);
  });
});
