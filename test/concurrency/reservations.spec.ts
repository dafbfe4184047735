import { CommandBus } from '@nestjs/cqrs';

import { ExpireReservations } from '@daybook/inventory';
import { systemContext } from '@daybook/platform';

import { Random } from '../chaos/random.js';
import { startTestApp, type TestApp, type TestResponse } from '../support/app.js';
import { expectStatus, type Fleet, startFleet } from '../support/fleet.js';
import { expectProblem } from '../support/problem.js';
import { expectReservationsAddUp } from '../support/reservation-books.js';
import { waitFor } from '../support/wait-for.js';

const SEED = 20261120;
const CLIENTS = 20;
const ITERATIONS = 500;
const SKUS = ['ANISE', 'BASIL', 'CUMIN', 'DILL', 'ENDIVE', 'FENNEL'] as const;
const PIECES = 90;

let fleet: Fleet;
/** Expires reservations all the while, a few at a time. */
let expirer: TestApp;

beforeAll(async () => {
  fleet = await startFleet([{ DAYBOOK_ROLES: 'api' }, { DAYBOOK_ROLES: 'api,scheduler' }]);
  expirer = await startTestApp({ DATABASE_URL: fleet.database.url, DAYBOOK_ROLES: 'api' });
  await fleet.ask(0, 'POST', '/warehouses', { body: { code: 'north', name: 'North', priority: 200 } });
  for (const sku of SKUS) {
    await fleet.createProduct(sku, PIECES);
    const body = { sku, warehouse: 'north', quantityDelta: PIECES, reason: 'received' };
    await expectStatus(201, fleet.ask(0, 'POST', '/stock-adjustments', { body }));
  }
});
afterEach(() => expectReservationsAddUp(fleet.database));
afterAll(async () => {
  await expirer.stop();
  await fleet.stop();
});

const times = <T>(n: number, make: (index: number) => Promise<T>) =>
  Promise.all(Array.from({ length: n }, (_, index) => make(index)));

const order = (server: number, body: object) => fleet.ask(server, 'POST', '/orders', { body });

/** How many answers there are of each kind: `201`, `409 insufficient_stock`. */
function kindsOf(answers: readonly TestResponse[]): Record<string, number> {
  const kinds: Record<string, number> = {};
  for (const { status, body } of answers) {
    const kind = status < 400 ? `${status}` : `${status} ${body.code}`;
    kinds[kind] = (kinds[kind] ?? 0) + 1;
  }
  return kinds;
}

describe('one reservation', () => {
  it('ordered by 50 at once is one order, which all others are told of', async () => {
    for (let round = 0; round < 5; round += 1) {
      const sku = `WANTED-${round}`;
      await fleet.createProduct(sku, 1);
      const reserve = fleet.ask(0, 'POST', '/reservations', { body: { lines: [{ sku, quantity: 1 }] } });
      const reservationId = (await expectStatus(201, reserve)).body.id as string;
      const answers = await times(50, (client) => order(client, { reservationId }));
      expect(kindsOf(answers)).toEqual({ '201': 1, '409 reservation_not_active': 49 });
      const [placed, ...refused] = answers.toSorted((a, b) => a.status - b.status) as [TestResponse];
      const told = (refused as TestResponse[]).map(({ body }) => [body.reservationStatus, body.orderId]);
      expect(told).toEqual(told.map(() => ['consumed', placed.body.id]));
    }
  });

  it('ended in every way at once has one end', async () => {
    await fleet.createProduct('TORN', 50);
    const ends = await times(50, async (index) => {
      const body = { lines: [{ sku: 'TORN', quantity: 1 }] };
      const { id } = (await expectStatus(201, fleet.ask(index, 'POST', '/reservations', { body }))).body;
      const buy = (server: number) => order(server, { reservationId: id });
      const release = (server: number) => fleet.ask(server, 'POST', `/reservations/${id}/release`);
      // A third is only bought and a third only released, so that both ends occur however the others turn out.
      const ways = [
        [buy, release],
        [buy, buy],
        [release, release],
      ][index % 3] as [typeof buy, typeof buy];
      const answers = await Promise.all(ways.flatMap((end) => [end(index), end(index + 1)]));
      expect(answers.filter(({ status }) => status < 300)).toHaveLength(1);
      for (const refused of answers.filter(({ status }) => status >= 300))
        expectProblem(refused, 409, 'reservation_not_active');
      return answers.find(({ status }) => status < 300)?.status;
    });
    expect(new Set(ends)).toEqual(new Set([200, 201]));
  });
});

describe('reservations and orders over the same products in any order', () => {
  const answers: TestResponse[] = [];
  // One after the other: the clock never goes back.
  let shift = Promise.resolve(0);

  async function note(pending: Promise<TestResponse>): Promise<TestResponse> {
    const answer = await pending;
    answers.push(answer);
    return answer;
  }

  /** Some of the products, in any order: what one has first another has last. */
  function basket(random: Random): { lines: { sku: string; quantity: number }[] } {
    const left: string[] = [...SKUS];
    const lines = Array.from({ length: random.between(2, 4) }, () => {
      const sku = random.pick(left);
      left.splice(left.indexOf(sku), 1);
      return { sku, quantity: random.between(1, 5) };
    });
    return { lines };
  }

  async function orderAndThinkAgain(random: Random): Promise<void> {
    const server = random.between(0, 1);
    const { status, body } = await note(order(server, basket(random)));
    if (status !== 201 || random.chance(0.2)) return;
    await note(fleet.ask(1 - server, 'PATCH', `/orders/${body.id}`, { body: { status: 'cancelled' } }));
  }

  /** What one reservation can meet, several of it at once and from both processes. */
  async function reserveAndFight(random: Random): Promise<void> {
    const server = random.between(0, 1);
    const body = { ...basket(random), ttlSeconds: random.between(1, 4) };
    const reserved = await note(fleet.ask(server, 'POST', '/reservations', { body }));
    if (reserved.status !== 201) return;
    const { id } = reserved.body;
    const extend = { ttlSeconds: random.between(1, 4) };
    const blows = [
      (at: number) => fleet.ask(at, 'POST', `/reservations/${id}/extend`, { body: extend }),
      (at: number) => fleet.ask(at, 'POST', `/reservations/${id}/release`),
      (at: number) => order(at, { reservationId: id }),
      (at: number) => order(at, basket(random)),
    ];
    await times(random.between(1, 4), () => note(random.pick(blows)(random.between(0, 1))));
  }

  /** A second is over for all at once, in the middle of whatever is under way. */
  function letTimePass(): Promise<void> {
    shift = shift.then((seconds) =>
      fleet.database.shiftTime(`${seconds + 1} seconds`).then(() => seconds + 1),
    );
    return shift.then(() => undefined);
  }

  it('never wait for each other in a circle, and all stock adds up: 500 iterations at two processes', async () => {
    let started = 0;
    let isOver = false;
    const client = async (index: number) => {
      for (let n = 0; n < ITERATIONS / CLIENTS; n += 1) {
        const random = new Random(SEED, index, n);
        started += 1;
        if (started % 20 === 0) await letTimePass();
        await (random.chance(0.3) ? orderAndThinkAgain(random) : reserveAndFight(random));
      }
    };
    const expireAll = async () => {
      const command = new ExpireReservations(3, systemContext('reservations-test'));
      while (!isOver) await expirer.app.get(CommandBus).execute(command);
    };
    const expiring = expireAll();
    await times(CLIENTS, client);
    isOver = true;
    await expiring;
    const kinds = kindsOf(answers);
    process.stdout.write(`${JSON.stringify(kinds)}; reservations: ${JSON.stringify(await countEnds())}\n`);
    expect(Object.keys(kinds).sort()).toEqual([
      '200',
      '201',
      '409 insufficient_stock',
      '409 reservation_not_active',
    ]);
    expect(Object.keys(await countEnds()).sort()).toEqual(
      expect.arrayContaining(['consumed', 'expired', 'released']),
    );
    expect(await countDeadlocks()).toBe(0);
  }, 180_000);

  async function countEnds(): Promise<Record<string, number>> {
    const rows = await fleet.database.query<{ status: string; count: number }>(
      'SELECT status, count(*)::int FROM reservations GROUP BY status ORDER BY status',
    );
    return Object.fromEntries(rows.map(({ status, count }) => [status, count]));
  }

  /** A connection tells what it has seen when it ends, at the latest. */
  async function countDeadlocks(): Promise<number | undefined> {
    await Promise.all(fleet.servers.map((server) => server.end('SIGTERM')));
    await expirer.app.close();
    await waitFor('the end of all connections', async () => {
      const open = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'daybook'`;
      return (await fleet.database.query(open)).length === 0;
    });
    const [seen] = await fleet.database.query<{ deadlocks: number }>(
      'SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()',
    );
    return seen?.deadlocks;
  }
});
