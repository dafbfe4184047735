import { DataSource } from 'typeorm';

import { startTestApp, type TestApp } from '../../../../test/support/app.js';
import { type Damage, describeChecks } from '../../../../test/support/doctor-books.js';
import { type OwnVenue, startVenue } from '../../../../test/support/exchange-simulator.js';
import { waitFor } from '../../../../test/support/wait-for.js';
import { brokenOnes, type Finding, runChecks } from './examine.js';
import { EXCHANGE_CHECKS } from './exchange-checks.js';

const MARKET = { instrument: 'US0378331005', side: 'buy', type: 'market', quantity: 30 };
const RESTING = { ...MARKET, type: 'limit', limitPriceCents: 1 };

let venue: OwnVenue;
let daybook: TestApp;
/** Filled, open and cancelled. */
let ids: readonly [string, string, string];
beforeAll(async () => {
  venue = await startVenue({ behaviour: { fillsMin: 3, fillsMax: 3 } });
  daybook = await startTestApp({ DAYBOOK_ROLES: 'api,receiver,consumer', EXCHANGE_URL: venue.url });
  // Noon, so that no midnight passes while the test runs.
  const noon = new Date().setUTCHours(12, 0, 0, 0);
  await daybook.database.shiftTime(`${noon - Date.now()} milliseconds`);
  const place = async (body: object, name: string): Promise<string> => {
    const headers = { 'idempotency-key': name };
    const token = daybook.tokens.alice;
    return (
      await daybook.api('POST', '/exchange/orders', {
        body: { ...body, clientOrderId: name },
        headers,
        token,
      })
    ).body.id;
  };
  const until = (id: string, status: string) =>
    waitFor(status, async () => (await daybook.api('GET', `/exchange/orders/${id}`)).body.status === status);
  ids = [await place(MARKET, 'filled'), await place(RESTING, 'open'), await place(RESTING, 'off')];
  await daybook.api('DELETE', `/exchange/orders/${ids[2]}`);
  await until(ids[0], 'filled');
  await until(ids[2], 'cancelled');
});
afterAll(async () => {
  await daybook.stop();
  await venue.stop();
});

/** Does the damage, runs the checks and takes the damage back. */
async function damaged(sql: string): Promise<Finding[]> {
  const runner = daybook.app.get(DataSource).createQueryRunner();
  await runner.startTransaction();
  try {
    await runner.query(sql);
    return brokenOnes(await runChecks(runner.manager));
  } finally {
    await runner.rollbackTransaction();
    await runner.release();
  }
}

const stored = (index: 0 | 1 | 2) => ids[index].slice(1).replace('-', '00000');
const change = (index: 0 | 1 | 2, set: string) =>
  `UPDATE exchange_orders SET ${set} WHERE id = ${stored(index)}`;

const DAMAGES: readonly Damage[] = [
  {
    check: 'exchange/numbers',
    what: 'an order placed on the day before its number',
    sql: () => change(0, `placed_at = date_trunc('day', placed_at) - interval '1 ms'`),
    says: () => [
      expect.stringMatching(
        `^order ${ids[0]} was placed at .*T23:59:59.999Z, on the business day \\d{8} of UTC$`,
      ),
    ],
  },
  {
    check: 'exchange/filled',
    what: 'a trade that is missing',
    sql: () => `DELETE FROM executions WHERE (order_id, sequence) =
      (SELECT order_id, max(sequence) FROM executions WHERE order_id = ${stored(0)} GROUP BY order_id)`,
    says: () => [
      expect.stringMatching(`^order ${ids[0]}: 30 filled for \\d+ cents, its trades come to \\d+ for \\d+$`),
    ],
  },
  {
    check: 'exchange/filled',
    what: 'a trade that was counted at another price',
    sql: () => change(0, 'traded_cents = traded_cents + 1'),
    says: () => [
      expect.stringMatching(`^order ${ids[0]}: 30 filled for \\d+ cents, its trades come to 30 for \\d+$`),
    ],
  },
  {
    check: 'exchange/status',
    what: 'orders that are filled otherwise than they say',
    sql: () => `${change(0, `status = 'created'`)}; ${change(1, `status = 'partially_filled'`)};
      ${change(2, `status = 'filled'`)}`,
    says: () => [
      `order ${ids[0]} is created, with 30 of 30 filled`,
      `order ${ids[1]} is partially_filled, with 0 of 30 filled`,
      `order ${ids[2]} is filled, with 0 of 30 filled`,
    ],
  },
  {
    check: 'exchange/executions-belong',
    what: 'executions without their order',
    sql: () => `DELETE FROM exchange_orders WHERE id = ${stored(1)}`,
    says: () => [expect.stringMatching(`^execution \\S+ of order ${ids[1]}: there is no such order$`)],
  },
  {
    check: 'exchange/client-order-ids',
    what: 'a name that is not written down, and one that leads elsewhere',
    sql: () =>
      `UPDATE exchange_client_order_ids SET order_id = ${stored(1)} WHERE client_order_id = 'filled'`,
    says: () => [
      `filled of alice leads to order ${ids[1]}, which is not called so`,
      `order ${ids[0]} is called filled by alice, which is not in exchange_client_order_ids`,
    ],
  },
  {
    check: 'exchange/answers',
    what: 'an answer that tells of an order that is lost',
    sql: () => `DELETE FROM exchange_orders WHERE id = ${stored(2)}`,
    says: () => [`key off of alice was answered with order ${ids[2]}: there is no such order`],
  },
];

it('nothing is wrong with these books', async () => {
  expect(await damaged('SELECT')).toEqual([]);
});

describeChecks('the checks of exchange orders', { damaged }, EXCHANGE_CHECKS, DAMAGES);

describe('the checks of the journal', () => {
  it.each<[check: string, sql: () => string, says: () => string]>([
    [
      'journal/versions',
      () => change(0, 'version = version + 1'),
      () => `^exchange_order ${ids[0]} is at version (\\d+) and has \\d+ rows`,
    ],
    [
      'journal/last-status',
      () => change(1, `status = 'cancel_pending'`),
      () => `^exchange_order ${ids[1]} is cancel_pending, its journal ends with created$`,
    ],
    [
      'journal/edges',
      () => `INSERT INTO journal (occurred_at, actor, request_id, type, entity_type, entity_id, version, data)
        SELECT occurred_at, actor, request_id, type, entity_type, entity_id, version + 1,
          '{"before":{"status":"created"},"after":{"status":"failed"}}'
        FROM journal WHERE entity_id = '${ids[1]}' AND version = 2`,
      () => `^version 3 of exchange_order ${ids[1]} goes from created to failed$`,
    ],
    [
      'journal/entities-exist',
      () => `DELETE FROM exchange_orders WHERE id = ${stored(1)}`,
      () => `\\(exchange_order.placed\\): there is no exchange_order ${ids[1]}$`,
    ],
  ])('%s look at exchange orders too', async (check, sql, says) => {
    const found = (await damaged(sql())).find((finding) => finding.check === check);
    expect(found?.examples).toContainEqual(expect.stringMatching(says()));
  });
});
