import { startTestApp, type TestApp } from '../../../../test/support/app.js';
import { clOrdId, insertExchangeOrders } from '../../../../test/support/exchange-rows.js';
import { runNamedJob } from '../../../../test/support/run-named-job.js';
import { Latch, ScriptedVenue } from '../../../../test/support/scripted-venue.js';
import { waitFor } from '../../../../test/support/wait-for.js';
import { Venue } from '../venue.js';

const ORDERS = 12;

const gateway = new ScriptedVenue();
let daybook: TestApp;
let venue: Venue;
beforeAll(async () => {
  // One is asked about at a time, and four are taken in a run.
  const environment = { DAYBOOK_ROLES: 'api', EXCHANGE_CONNECTIONS: '1', LOG_LEVEL: 'error' };
  daybook = await startTestApp(environment, gateway);
  venue = daybook.app.get(Venue, { strict: false });
  await insertExchangeOrders(daybook.database, ORDERS, { status: 'pending', venue: gateway.venue });
});
afterAll(() => daybook.stop());

let ahead = 0;
const recoverLater = async () => {
  ahead += 20;
  await daybook.database.shiftTime(`${ahead} seconds`);
  expect(await runNamedJob(daybook, 'recover-exchange-orders')).toMatchObject({ result: 'succeeded' });
};
const asked = async () =>
  (await daybook.database.query<{ asked: number }>('SELECT asked FROM exchange_orders ORDER BY id')).map(
    (row) => row.asked,
  );

describe('orders of which the venue has no word', () => {
  it('are asked about in turn, so that none waits for the others', async () => {
    gateway.onFind = () => ({ kind: 'unknown', reason: 'No answer' });
    for (const first of [1, 5, 9, 1]) {
      gateway.asked.length = 0;
      await recoverLater();
      await waitFor('four to be asked about', () => gateway.count('find') === 4);
      expect(gateway.asked.map(({ id }) => id).toSorted()).toEqual(
        [0, 1, 2, 3].map((n) => clOrdId(first + n)),
      );
    }
  });

  it('are not marked as asked about when there is no room to ask', async () => {
    const before = await asked();
    const latch = new Latch();
    const others: Promise<unknown>[] = [];
    while (venue.backgroundRoom > 1) others.push(venue.inBackground(() => latch.wait()));
    await recoverLater();
    const risen = (await asked()).filter((times, index) => times > (before[index] as number));
    expect(risen).toHaveLength(1);
    latch.open();
    await Promise.all(others);
  });
});
