import { CommandBus } from '@nestjs/cqrs';
import pg from 'pg';

import { ExpireReservations } from '@daybook/inventory';
import { systemContext } from '@daybook/platform';

import { Random } from '../chaos/random.js';
import { startTestApp, type TestApp, type TestResponse } from '../support/app.js';
import { expectStatus, type Fleet, startFleet } from '../support/fleet.js';
import { expectProblem } from '../support/problem.js';
import { expectReservationsAddUp } from '../support/reservation-books.js';
import { waitFor } from '../support/wait-for.js';

// DEADLINE_TRIALS=<number> makes more of them: 2000 are a minute.
const TRIALS_PER_WAVE = 10;
const WAVES = Math.ceil(Number(process.env['DEADLINE_TRIALS'] ?? 500) / TRIALS_PER_WAVE);

let fleet: Fleet;
/** Expires reservations whenever it is told to; no other request goes there. */
let expirer: TestApp;
/** Holds back everybody who came for the reservations of a wave, and sets their deadline. */
let gate: pg.Client;

beforeAll(async () => {
  fleet = await startFleet([{ DAYBOOK_ROLES: 'api' }, { DAYBOOK_ROLES: 'api,scheduler' }]);
  expirer = await startTestApp({ DATABASE_URL: fleet.database.url, DAYBOOK_ROLES: 'api' });
  gate = new pg.Client({ connectionString: fleet.database.url });
  await gate.connect();
});
afterAll(async () => {
  await gate.end();
  await expirer.stop();
  await fleet.stop();
});

const random = new Random(20261120);
/**
 * How long it takes from the opening of the gate to the moment when a transaction reads the clock: this long before the
 * deadline it opens. Each outcome tells whether that was too early or too late, so that both keep coming.
 */
let leadMs = 2;

const times = <T>(n: number, make: (index: number) => Promise<T>) =>
  Promise.all(Array.from({ length: n }, (_, index) => make(index)));

const count = <T>(all: readonly T[], isCounted: (one: T) => boolean) => all.filter(isCounted).length;

const one = (...skus: readonly string[]) => ({ lines: skus.map((sku) => ({ sku, quantity: 1 })) });

const expire = () =>
  expirer.app.get(CommandBus).execute(new ExpireReservations(100, systemContext('deadline-test')));

async function reserve(server: number, skus: readonly string[]): Promise<string> {
  const body = one(...(random.chance(0.5) ? skus : skus.toReversed()));
  return (await expectStatus(201, fleet.ask(server, 'POST', '/reservations', { body }))).body.id as string;
}

/** Locks the reservations and what they hold. */
async function closeGate(reservations: readonly string[]): Promise<void> {
  await gate.query('BEGIN');
  await gate.query('SELECT FROM reservations WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE', [
    reservations,
  ]);
  await gate.query('SELECT FROM stock_levels ORDER BY product_id, warehouse_id FOR NO KEY UPDATE');
}

/** The database itself watches its clock: so no round trip makes the moment uncertain. */
async function openGateAtDeadline(reservations: readonly string[], offsetMs: number): Promise<void> {
  const { rows } = await gate.query<{ opening: string }>(
    `WITH moment AS (SELECT date_trunc('milliseconds', business_now()) + interval '15 ms' AS deadline),
     changed AS (UPDATE reservations SET expires_at = deadline FROM moment WHERE id = ANY($1)),
     held AS (UPDATE stock_holds SET expires_at = deadline FROM moment WHERE reservation_id = ANY($1))
     SELECT (deadline + make_interval(secs => $2 / 1000.0))::text AS opening FROM moment`,
    [reservations, offsetMs - leadMs],
  );
  const { opening } = rows[0] as { opening: string };
  await gate.query(`DO $$ BEGIN WHILE business_now() < '${opening}' LOOP NULL; END LOOP; END $$; COMMIT`);
}

async function countWaiting(): Promise<number> {
  const waiting = await fleet.database.query(
    `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
  );
  return waiting.length;
}

/** Writes down what has expired, again and again, as a scheduler would that has nothing else to do. */
async function expireUntil(isOver: Promise<unknown>): Promise<void> {
  const over = isOver.then(() => true);
  const expired = () => expire().then(() => false);
  for (let isDone = false; !isDone;) isDone = await Promise.race([over, expired()]);
}

/** How each reservation ended: `expired`, or `consumed by 20261120-00001`. */
async function endsOf(reservations: readonly string[]): Promise<string[]> {
  const rows = await fleet.database.query<{ end: string }>(
    `SELECT status || coalesce(' by ' || order_id, '') AS end
     FROM unnest($1::uuid[]) WITH ORDINALITY AS asked (id, position) JOIN reservations USING (id) ORDER BY position`,
    [reservations],
  );
  return rows.map(({ end }) => end);
}

/** What a customer who wanted to order a reservation was told of its end. */
function endToldBy({ status, body, text }: TestResponse): string {
  if (status === 201) return `consumed by ${body.id}`;
  if (status !== 409 || body.code !== 'reservation_not_active') return text;
  return body.orderId === null ? body.reservationStatus : `${body.reservationStatus} by ${body.orderId}`;
}

/**
 * Two customers order each of a few reservations, at different processes; others are short of what is all held. All
 * are held back, the deadline is set, and the gate opens so that the clock is read at the deadline, a millisecond
 * before it, or a millisecond after it.
 */
async function runWave(wave: number) {
  const skus = [`LEFT-${wave}`, `RIGHT-${wave}`] as const;
  await Promise.all(skus.map((sku) => fleet.createProduct(sku, TRIALS_PER_WAVE)));
  const reservations = await times(TRIALS_PER_WAVE, (index) => reserve(index, skus));
  await closeGate(reservations);
  const orders = times(TRIALS_PER_WAVE, (index) =>
    times(2, (server) =>
      fleet.ask(server, 'POST', '/orders', { body: { reservationId: reservations[index] } }),
    ),
  );
  const rivals = Promise.all([
    fleet.ask(random.between(0, 1), 'POST', '/orders', { body: one(skus[0]) }),
    fleet.ask(random.between(0, 1), 'POST', '/orders', { body: one(skus[1]) }),
    fleet.ask(random.between(0, 1), 'POST', '/reservations', { body: one(skus[random.between(0, 1)] ?? '') }),
  ]);
  await waitFor('everybody to come', async () => (await countWaiting()) >= 3);
  const opened = openGateAtDeadline(reservations, random.between(-1, 1));
  await expireUntil(Promise.all([opened, orders, rivals]));
  await waitFor('the end of every reservation', async () => {
    await expire();
    return !(await endsOf(reservations)).includes('active');
  });
  return { skus, ends: await endsOf(reservations), answers: await orders, rivals: await rivals };
}

/** Every piece is with an order, with a rival, or on the shelf again: none is twice, none is gone. */
async function expectShelves({ skus, ends, rivals }: Awaited<ReturnType<typeof runWave>>): Promise<void> {
  const refusals = rivals.filter(({ status }) => status !== 201).map(({ body }) => body.code as string);
  expect(refusals).toEqual(refusals.map(() => 'insufficient_stock'));
  const [row] = await fleet.database.query(
    `SELECT sum(on_hand)::int AS pieces, sum(reserved + allocated)::int AS claimed
     FROM stock_levels JOIN products ON id = product_id WHERE sku = ANY($1)`,
    [skus],
  );
  const ordered = count(ends, (end) => end !== 'expired');
  expect(row).toEqual({
    pieces: 2 * TRIALS_PER_WAVE,
    claimed: 2 * ordered + rivals.length - refusals.length,
  });
}

describe('an order and the end of its reservation, within a millisecond of the deadline', () => {
  it('one of the two wins, never both, and stock returns once: hundreds of reservations, two processes', async () => {
    let [ordered, taken, mixed] = [0, 0, 0];
    for (let wave = 1; wave <= WAVES; wave += 1) {
      const seen = await runWave(wave);
      // What both customers were told is what is stored, and one of them at most has an order.
      expect(seen.answers.map((both) => both.map(endToldBy))).toEqual(seen.ends.map((end) => [end, end]));
      const wins = seen.answers.map((both) => count(both, ({ status }) => status === 201));
      expect(wins).toEqual(seen.ends.map((end) => (end === 'expired' ? 0 : 1)));
      await expectShelves(seen);
      ordered += count(wins, (won) => won === 1);
      mixed += new Set(wins).size - 1;
      taken += count(seen.rivals, ({ status }) => status === 201);
      // Wherever all went one way the gate was far off.
      const stepMs = new Set(wins).size === 1 ? 0.5 : 0.05;
      for (const won of wins) leadMs = Math.max(0, leadMs + (won === 1 ? -stepMs : stepMs));
    }
    await expectReservationsAddUp(fleet.database);
    const trials = WAVES * TRIALS_PER_WAVE;
    process.stdout.write(
      `${trials} reservations at their deadline: ${ordered} ordered, ${trials - ordered} expired; rivals took over ` +
        `${taken} pieces; both happened in ${mixed} of ${WAVES} waves; the gate opened ${leadMs.toFixed(1)} ms ahead at last\n`,
    );
    // Otherwise they were not decided anywhere near their deadline, or nobody else wanted the stock.
    expect(Math.min(ordered, trials - ordered)).toBeGreaterThan(trials / 50);
    expect(taken).toBeGreaterThan(0);
  }, 300_000);
});

describe('at the deadline to the millisecond', () => {
  let wave = 0;
  afterAll(() => fleet.database.shiftTime('0 seconds'));

  /** A piece that is held, in a database whose clock stands still so long before or after its deadline. */
  async function heldWithClockAt(offsetMs: number) {
    await fleet.database.shiftTime('0 seconds');
    const sku = `LAST-${(wave += 1)}`;
    await fleet.createProduct(sku, 1);
    const { body } = await expectStatus(201, fleet.ask(0, 'POST', '/reservations', { body: one(sku) }));
    const now = new Date(Date.parse(body.expiresAt) + offsetMs).toISOString();
    await fleet.database.query(
      `CREATE OR REPLACE FUNCTION business_now() RETURNS timestamptz LANGUAGE sql VOLATILE
       AS $$ SELECT '${now}'::timestamptz $$`,
    );
    return { sku, id: body.id as string };
  }

  const CLAIMS = [
    { claim: 'ordered', path: () => '/orders', body: (id: string) => ({ reservationId: id }) },
    {
      claim: 'extended',
      path: (id: string) => `/reservations/${id}/extend`,
      body: () => ({ ttlSeconds: 9 }),
    },
    { claim: 'released', path: (id: string) => `/reservations/${id}/release`, body: () => undefined },
  ];

  it.each(CLAIMS)(
    'a reservation can be $claim a millisecond before, whoever wants its stock',
    async (how) => {
      const { sku, id } = await heldWithClockAt(-1);
      await expire();
      expectProblem(await fleet.ask(1, 'POST', '/orders', { body: one(sku) }), 409, 'insufficient_stock');
      expect((await fleet.ask(1, 'GET', `/reservations/${id}`)).body.status).toBe('active');
      expect((await fleet.ask(1, 'GET', `/products/${sku}/stock`)).body.available).toBe(0);
      const { status } = await fleet.ask(0, 'POST', how.path(id), { body: how.body(id) });
      expect(status).toBeLessThan(300);
      await expectReservationsAddUp(fleet.database);
    },
  );

  it.each([0, 1].flatMap((offsetMs) => CLAIMS.map((how) => ({ offsetMs, ...how }))))(
    'a reservation cannot be $claim $offsetMs ms after, before or after its stock is gone',
    async ({ offsetMs, ...how }) => {
      const { sku, id } = await heldWithClockAt(offsetMs);
      const claim = () => fleet.ask(0, 'POST', how.path(id), { body: how.body(id) });
      expect(expectProblem(await claim(), 409, 'reservation_not_active').reservationStatus).toBe('expired');
      expect((await fleet.ask(1, 'GET', `/reservations/${id}`)).body.status).toBe('expired');
      expect((await fleet.ask(1, 'GET', `/products/${sku}/stock`)).body.available).toBe(1);
      await expectStatus(201, fleet.ask(1, 'POST', '/orders', { body: one(sku) }));
      expect(expectProblem(await claim(), 409, 'reservation_not_active').reservationStatus).toBe('expired');
      await expire();
      expect(expectProblem(await claim(), 409, 'reservation_not_active').reservationStatus).toBe('expired');
      await expectReservationsAddUp(fleet.database);
    },
  );
});
