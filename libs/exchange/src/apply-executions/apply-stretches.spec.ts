import { Logger } from '@nestjs/common';

import { LeaseOvertaken, Leases, type HeldLease } from '@daybook/platform';
import pg from 'pg';

import { startTestApp, type TestApp } from '../../../../test/support/app.js';
import * as desk from '../../../../test/support/exchange-rows.js';
import { waitFor } from '../../../../test/support/wait-for.js';
import type { ExecutionReport } from '../execution-report.js';
import { ExecutionOffsets } from '../execution-offsets.js';
import { ApplyStretches, OffsetMoved } from './apply-stretches.js';
import { ParkedReports } from './parked-reports.js';

const { jest } = import.meta;

const VENUE = 'XSIM';

let daybook: TestApp;
let lease: HeldLease;
beforeAll(async () => {
  daybook = await startTestApp({ DAYBOOK_ROLES: 'api' });
  lease = (await leases().claim('a part', 'test', 600)) as HeldLease;
});
afterAll(() => daybook.stop());
beforeEach(async () => {
  behind += 10;
  await daybook.database.query(
    'TRUNCATE exchange_orders, executions, parked_executions, quarantined_executions, execution_offsets',
  );
  await daybook.database.query('UPDATE leases SET fence = $1 WHERE name = $2', [lease.fence, lease.name]);
  await daybook.app.get(ExecutionOffsets, { strict: false }).read(VENUE);
});

/** The journal forgets nothing, so every test has orders of its own: this is the number before the first. */
let behind = 0;
const clOrdId = (n: number) => desk.clOrdId(behind + n);
const tradeOf = (n: number, sequence: number, quantity?: number, other: Partial<ExecutionReport> = {}) =>
  desk.tradeOf(behind + n, sequence, quantity, other);
const insertOrders = (count: number, options: { quantity?: number; status?: string } = {}) =>
  desk.insertExchangeOrders(daybook.database, count, { first: behind + 1, ...options });

const leases = () => daybook.app.get(Leases, { strict: false });
const applying = () => daybook.app.get(ApplyStretches, { strict: false });

let applied = 0;
/** Applies reports behind what was applied last. */
async function apply(...reports: readonly ExecutionReport[]) {
  const [row] = await daybook.database.query<{ applied: number }>(
    'SELECT applied::float8 FROM execution_offsets WHERE partition = 3',
  );
  const after = row?.applied ?? 0;
  applied = Math.max(after + 1, ...reports.map(({ sequence }) => sequence));
  return applying().apply({ venue: VENUE, partition: 3, lease, after, through: applied, reports });
}
const quarantined = () =>
  daybook.database.query(
    'SELECT exec_id AS "execId", order_ref AS "orderRef", reason FROM quarantined_executions ORDER BY sequence',
  );
const parkedCount = async () => (await daybook.database.query('SELECT FROM parked_executions')).length;
const sweep = () =>
  daybook.app.get(ParkedReports, { strict: false }).sweep(VENUE, lease, new AbortController().signal);

const whenSomebodyWaits = () =>
  waitFor('somebody to wait for a lock', async () => {
    const waiting = await daybook.database.query(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    return waiting.length > 0;
  });

/** Meanwhile the database takes no such rows. */
async function refusing(table: string, when: string, work: () => Promise<void>, state = 'check_violation') {
  await daybook.database.query(`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN RAISE EXCEPTION 'poison' USING ERRCODE = '${state}'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON ${table} FOR EACH ROW WHEN (${when}) EXECUTE FUNCTION refuse()`);
  const errors = jest.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
  await work();
  errors.mockRestore();
  await daybook.database.query('DROP FUNCTION refuse CASCADE');
}

describe('reports', () => {
  it('make one new version of each order, one journal row, and an execution each', async () => {
    await insertOrders(2);
    const counts = await apply(
      tradeOf(1, 1, 10),
      tradeOf(2, 2, 100),
      tradeOf(1, 3, 20, { priceCents: 1_006 }),
    );
    expect(counts).toEqual({ recorded: 3, duplicates: 0, parked: 0, quarantined: 0 });
    expect(await desk.readExchangeOrders(daybook.database)).toMatchObject([
      { status: 'partially_filled', filled: 30, traded: '30120', version: 3, executions: 2, journaled: [3] },
      { status: 'filled', filled: 100, traded: '100000', version: 3, executions: 1, journaled: [3] },
    ]);
    const [row] = await daybook.database.query(
      `SELECT actor, data FROM journal WHERE entity_id = '${clOrdId(1)}' AND type = 'exchange_order.executed'`,
    );
    expect(row).toEqual({
      actor: 'daybook',
      data: {
        before: { status: 'created', cumQuantity: 0 },
        after: { status: 'partially_filled', cumQuantity: 30, avgPriceCents: 1_004, execIds: ['E1', 'E3'] },
      },
    });
  });

  it('count once, however often and whenever they come', async () => {
    await insertOrders(1);
    await apply(tradeOf(1, 1, 10), tradeOf(1, 1, 10));
    expect(await apply(tradeOf(1, 2, 10, { execId: 'E1' }), tradeOf(1, 3, 5))).toMatchObject({
      recorded: 1,
      duplicates: 1,
    });
    expect(await desk.readExchangeOrders(daybook.database)).toMatchObject([
      { filled: 15, executions: 2, version: 4 },
    ]);
  });

  it('that tell nothing new are recorded without a new version', async () => {
    await insertOrders(1);
    await apply(tradeOf(1, 1, undefined, { type: 'new', quantity: undefined, priceCents: undefined }));
    expect(await desk.readExchangeOrders(daybook.database)).toMatchObject([
      { status: 'created', version: 2, executions: 1, journaled: [] },
    ]);
  });

  it('that cannot be true are kept for a person and change nothing, once', async () => {
    await insertOrders(1);
    const wrong = { ...tradeOf(1, 3), quantity: -1 };
    const foreign = tradeOf(1, 4, 1, { orderRef: 'SOMEBODY-ELSES' });
    const counts = await apply(tradeOf(1, 1, 60), tradeOf(1, 2, 41), wrong, foreign, tradeOf(1, 5, 40));
    expect(counts).toEqual({ recorded: 2, duplicates: 0, parked: 0, quarantined: 3 });
    const expected = [
      { execId: 'E2', orderRef: clOrdId(1), reason: 'over-filled: 101 of 100' },
      { execId: 'E3', orderRef: clOrdId(1), reason: 'a trade needs a whole quantity up to 1000000000' },
      { execId: 'E4', orderRef: 'SOMEBODY-ELSES', reason: 'no order can have this ClOrdID' },
    ];
    expect(await quarantined()).toEqual(expected);
    expect(await apply(tradeOf(1, 6, 41, { execId: 'E2' }))).toMatchObject({ quarantined: 0, duplicates: 1 });
    expect(await quarantined()).toEqual(expected);
    expect(await desk.readExchangeOrders(daybook.database)).toMatchObject([
      { status: 'filled', filled: 100, executions: 2, version: 3 },
    ]);
  });

  it('are kept whatever they contain', async () => {
    const odd = JSON.parse(
      '{"sequence":1,"execId":"a\\u0000\\u001e\\ud800","orderRef":"\\u0000","type":7,"reason":{"a":"\\u0000"}}',
    ) as ExecutionReport;
    const nameless = { sequence: 2 } as ExecutionReport;
    expect(await apply(odd, nameless)).toMatchObject({ quarantined: 2 });
    expect(await quarantined()).toMatchObject([{ orderRef: ' ' }, { execId: '#2', orderRef: '?' }]);
    const endless = {
      ...tradeOf(1, 3),
      execId: '日'.repeat(10_000),
      orderRef: `${'日'.repeat(499)}𝄞${'日'.repeat(10_000)}`,
      reason: { deep: [{ '\0\ud800': '\0' }] } as unknown as string,
      [`\0\ud800`]: 1,
    };
    expect(await apply(endless)).toMatchObject({ quarantined: 1 });
    const [row] = await daybook.database.query(
      `SELECT report ->> 'reason' AS reason, length(exec_id) AS length FROM quarantined_executions WHERE sequence = 3`,
    );
    expect(row).toMatchObject({ reason: expect.stringContaining('deep') as string, length: 250 });
  });

  it('count for their own order when the venue uses one ExecID for two', async () => {
    const execId = 'E1';
    await apply(tradeOf(1, 1, 10, { execId }), tradeOf(2, 2, 20, { execId }));
    await insertOrders(2);
    await apply(tradeOf(1, 3, 91, { execId: 'E2' }), tradeOf(2, 4, 92, { execId: 'E2' }));
    expect((await desk.readExchangeOrders(daybook.database)).map(({ filled }) => filled)).toEqual([10, 20]);
    expect(await quarantined()).toMatchObject([
      { execId: 'E2', orderRef: clOrdId(1) },
      { execId: 'E2', orderRef: clOrdId(2) },
    ]);
  });
});

describe('reports of an order that is not known', () => {
  it('are parked, and applied before the next one of it once it is', async () => {
    expect(await apply(tradeOf(1, 1, 10), tradeOf(1, 2, 20))).toMatchObject({ parked: 2 });
    expect(await apply(tradeOf(1, 3, 10, { execId: 'E1' }))).toMatchObject({ parked: 0, duplicates: 1 });
    expect(await parkedCount()).toBe(2);
    await insertOrders(1, { quantity: 35, status: 'pending' });
    const counts = await apply(tradeOf(1, 4, 5), tradeOf(1, 5, 1));
    expect(counts).toEqual({ recorded: 3, duplicates: 0, parked: 0, quarantined: 1 });
    expect(await quarantined()).toMatchObject([{ execId: 'E5' }]);
    expect(await desk.readExchangeOrders(daybook.database)).toMatchObject([{ status: 'filled', filled: 35 }]);
    expect(await parkedCount()).toBe(0);
  });

  it('are applied when nothing else comes of it', async () => {
    await apply(tradeOf(1, 1, 10), tradeOf(2, 2, 10));
    await insertOrders(1);
    await sweep();
    expect(await desk.readExchangeOrders(daybook.database)).toMatchObject([
      { filled: 10, version: 3, journaled: [3] },
    ]);
    expect(await parkedCount()).toBe(1);
  });

  it('are applied in the end, however many others are parked before them', async () => {
    await daybook.database.query(`
      INSERT INTO parked_executions (venue, exec_id, order_id, sequence, report)
      SELECT 'XSIM', 'E' || number, 202611200000000000 + number, number, '{}' FROM generate_series(1, 25000) AS number`);
    await apply(tradeOf(1, 1, 10));
    await insertOrders(1);
    const filled = async () => (await desk.readExchangeOrders(daybook.database))[0]?.filled;
    // Of so many each sweep looks at some only.
    await sweep();
    expect(await filled()).toBe(0);
    await sweep();
    expect(await filled()).toBe(10);
    // And from the beginning again.
    await daybook.database.query(`DELETE FROM parked_executions WHERE exec_id > 'E2'`);
    await apply(tradeOf(2, 2, 10));
    await desk.insertExchangeOrders(daybook.database, 1, { first: behind + 2 });
    await sweep();
    expect((await desk.readExchangeOrders(daybook.database)).map(({ filled }) => filled)).toEqual([10, 10]);
  });

  it('are put aside when they cannot be applied, and no others are held up', async () => {
    await apply(
      tradeOf(1, 1, 10),
      tradeOf(2, 2, 20),
      tradeOf(3, 3, 30),
      tradeOf(3, 4, 30),
      tradeOf(4, 5, 40),
    );
    await insertOrders(4);
    await refusing('executions', `NEW.exec_id = 'E3'`, sweep);
    expect((await desk.readExchangeOrders(daybook.database)).map(({ filled }) => filled)).toEqual([
      10, 20, 0, 40,
    ]);
    const reason = 'could not be applied: poison';
    expect(await quarantined()).toMatchObject([
      { execId: 'E3', reason },
      { execId: 'E4', reason },
    ]);
    expect(await parkedCount()).toBe(0);
  });

  it('are shown to a person though applying others fails', async () => {
    await apply(tradeOf(1, 1, 10));
    await daybook.database.query(`UPDATE parked_executions SET parked_at = parked_at - interval '2 days'`);
    await apply(tradeOf(2, 2, 10));
    await insertOrders(2);
    await refusing('executions', 'true', sweep, 'object_in_use');
    expect(await quarantined()).toMatchObject([{ execId: 'E1', reason: 'no such order, for a day' }]);
    expect(await parkedCount()).toBe(1);
  });

  it('are shown to a person when there is none for a day', async () => {
    await apply(tradeOf(1, 1, 10));
    await daybook.database.query(
      `UPDATE parked_executions SET parked_at = parked_at - interval '23 hours 59 minutes'`,
    );
    await sweep();
    expect(await parkedCount()).toBe(1);
    await daybook.database.query(`UPDATE parked_executions SET parked_at = parked_at - interval '2 minutes'`);
    await sweep();
    expect(await parkedCount()).toBe(0);
    expect(await quarantined()).toMatchObject([{ execId: 'E1', reason: 'no such order, for a day' }]);
  });
});

describe('a part of the stream', () => {
  it('is not held for long by a process that stops in the middle, whatever it does', async () => {
    await daybook.database.query(`
      CREATE TABLE allowed_pauses (pause text);
      CREATE FUNCTION note_pause() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO allowed_pauses VALUES (current_setting('idle_in_transaction_session_timeout')); RETURN NEW; END $$;
      CREATE TRIGGER pauses AFTER INSERT ON quarantined_executions FOR EACH ROW EXECUTE FUNCTION note_pause()`);
    const report = tradeOf(1, 1);
    const batch = { venue: VENUE, partition: 3, lease, after: 0, through: 1, reports: [report] };
    await applying().quarantine(batch, { report, reason: 'because' });
    await apply(tradeOf(2, 2));
    await daybook.database.query(`UPDATE parked_executions SET parked_at = parked_at - interval '2 days'`);
    await sweep();
    const pauses = await daybook.database.query('SELECT pause FROM allowed_pauses');
    await daybook.database.query('DROP TABLE allowed_pauses; DROP FUNCTION note_pause CASCADE');
    expect(pauses).toEqual([{ pause: '4s' }, { pause: '4s' }]);
  });

  it('is moved on by whoever has it, and by nobody else', async () => {
    await insertOrders(1);
    const overtaken = { ...lease, fence: String(Number(lease.fence) - 1) };
    const batch = { venue: VENUE, partition: 3, after: 0, through: 1, reports: [tradeOf(1, 1)] };
    await expect(applying().apply({ ...batch, lease: overtaken })).rejects.toThrow(LeaseOvertaken);
    await expect(applying().apply({ ...batch, lease, after: 5, through: 6 })).rejects.toThrow(OffsetMoved);
    expect(await desk.readExchangeOrders(daybook.database)).toMatchObject([
      { filled: 0, version: 2, executions: 0 },
    ]);
    await applying().apply({ ...batch, lease });
    expect(await desk.readExchangeOrders(daybook.database)).toMatchObject([
      { filled: 1, version: 3, executions: 1 },
    ]);
    const rows = await daybook.database.query(
      'SELECT applied::float8, recorded::float8, batches::float8 FROM execution_offsets WHERE partition = 3',
    );
    expect(rows).toEqual([{ applied: 1, recorded: 1, batches: 1 }]);
  });

  it('waits for whoever changes one of its orders, and loses nothing of either', async () => {
    await insertOrders(1);
    const other = new pg.Client({ connectionString: daybook.database.url });
    await other.connect();
    await other.query('BEGIN');
    await other.query(`UPDATE exchange_orders SET status = 'cancel_pending', version = version + 1`);
    const applying = apply(tradeOf(1, 1, 10));
    await whenSomebodyWaits();
    await other.query('COMMIT');
    await other.end();
    await applying;
    expect(await desk.readExchangeOrders(daybook.database)).toMatchObject([
      { status: 'cancel_pending', filled: 10, version: 4 },
    ]);
  });

  it('does not keep anybody from reading its orders', async () => {
    await insertOrders(1);
    await daybook.database.query(`
      CREATE FUNCTION wait_for_reader() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_advisory_xact_lock_shared(77); RETURN NEW; END $$;
      CREATE TRIGGER gate AFTER UPDATE ON exchange_orders FOR EACH ROW EXECUTE FUNCTION wait_for_reader()`);
    const gate = new pg.Client({ connectionString: daybook.database.url });
    await gate.connect();
    await gate.query('SELECT pg_advisory_lock(77)');
    const applying = apply(tradeOf(1, 1, 10));
    await whenSomebodyWaits();
    const answer = await daybook.api('GET', `/exchange/orders/${clOrdId(1)}`);
    expect([answer.status, answer.body.cumQuantity]).toEqual([200, 0]);
    await gate.end();
    await applying;
    await daybook.database.query('DROP TRIGGER gate ON exchange_orders; DROP FUNCTION wait_for_reader');
    expect((await daybook.api('GET', `/exchange/orders/${clOrdId(1)}`)).body.cumQuantity).toBe(10);
  });
});
