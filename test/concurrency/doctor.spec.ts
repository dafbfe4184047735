import { loadConfig } from '@daybook/platform';

import { fix } from '../../apps/api/src/doctor/fix.js';
import { Random } from '../chaos/random.js';
import { expectHealthy, findingsIn } from '../support/doctor.js';
import { expectStatus, type Fleet, startFleet } from '../support/fleet.js';

const CONNECTIONS = 32;
const ROUNDS = 8;
const SKUS = ['HOT', 'WARM', 'COLD'];
const SEED = 20_261_120;

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet([{}, {}]);
  for (const sku of SKUS) await fleet.createProduct(sku, 100_000);
});
afterAll(() => fleet.stop());

/** Orders and cancels, reserves and releases until told to end; every answer must be a success. @returns how often */
async function keepBusy(connection: number, isOver: () => boolean): Promise<number> {
  const random = new Random(SEED, connection);
  const ask = async (status: number, method: string, path: string, body: object) =>
    (await expectStatus(status, fleet.ask(connection, method, path, { body }))).body;
  let rounds = 0;
  while (!isOver()) {
    const lines = SKUS.filter(() => random.chance(0.7)).map((sku) => ({
      sku,
      quantity: random.between(1, 3),
    }));
    if (lines.length === 0) continue;
    const placed = await ask(201, 'POST', '/orders', { lines });
    const reserved = await ask(201, 'POST', '/reservations', { lines });
    await ask(200, 'PATCH', `/orders/${placed.id}`, { status: 'cancelled' });
    if (random.chance(0.5)) await ask(200, 'POST', `/reservations/${reserved.id}/release`, {});
    else await ask(201, 'POST', '/orders', { reservationId: reserved.id });
    rounds += 1;
  }
  return rounds;
}

/** Makes every number of a level wrong, and holds some of it for nobody. */
async function damage(random: Random): Promise<void> {
  const wrong = () => random.between(1, 50);
  await fleet.database.query(
    `WITH hold AS (
       INSERT INTO stock_holds SELECT gen_random_uuid(), product_id, warehouse_id, ${wrong()}, business_now() + '1 day'
       FROM stock_levels WHERE product_id = (SELECT id FROM products WHERE sku = '${random.pick(SKUS)}')
       RETURNING 1)
     UPDATE stock_levels SET reserved = reserved + ${wrong()}, allocated = allocated + ${wrong()},
       on_hand = on_hand + ${wrong()} WHERE product_id = (SELECT id FROM products WHERE sku = '${random.pick(SKUS)}')`,
  );
}

it('corrects stock while 32 connections order and reserve it, and nothing drifts', async () => {
  const { url } = fleet.database;
  const random = new Random(SEED);
  let isOver = false;
  const workers = Array.from({ length: CONNECTIONS }, (_, connection) => keepBusy(connection, () => isOver));
  const working = Promise.all(workers).finally(() => (isOver = true));
  try {
    for (let round = 0; round < ROUNDS && !isOver; round += 1) {
      await damage(random);
      expect(await findingsIn(url)).not.toEqual([]);
      const { corrected, left } = await fix(loadConfig({}), url);
      expect({ left, isAnythingCorrected: corrected.length > 0 }).toEqual({
        left: [],
        isAnythingCorrected: true,
      });
      await expectHealthy(url);
    }
  } finally {
    isOver = true;
    await working;
  }
  expect(Math.min(...(await working))).toBeGreaterThan(0);
  await expectHealthy(url);
});
