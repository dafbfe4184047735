import { startTestApp, type TestApp } from '../../../../test/support/app.js';
import { persistently } from '../../../../test/support/execution-bus-bench.js';
import * as desk from '../../../../test/support/exchange-rows.js';
import { waitFor } from '../../../../test/support/wait-for.js';
import { Backoff } from '../backoff.js';
import { EXECUTION_BUS, type ExecutionBus, PARTITIONS } from '../execution-bus.js';
import type { ExecutionReport } from '../execution-report.js';
import { StretchCutter } from '../stretch-cutter.js';

const { jest } = import.meta;

const ORDERS = 40;

let daybook: TestApp;
const cutter = new StretchCutter(0);
let sequence = 0;
let behind = 0;
beforeAll(async () => {
  // Nobody listens there: the receiver is not started, and what it would publish is published by the tests.
  const environment = {
    DAYBOOK_ROLES: 'api,consumer',
    EXCHANGE_URL: 'http://127.0.0.1:1',
    LOG_LEVEL: 'fatal',
  };
  daybook = await startTestApp(environment);
});
afterAll(() => daybook.stop());
beforeEach(async () => {
  behind += 100;
  await daybook.database.query(
    'DELETE FROM executions; DELETE FROM exchange_orders; DELETE FROM quarantined_executions',
  );
});

const bus = () => daybook.app.get<ExecutionBus>(EXECUTION_BUS, { strict: false });
const insertOrders = (count = ORDERS) =>
  desk.insertExchangeOrders(daybook.database, count, { first: behind + 1 });

/** So many trades of one share, of all orders in turn. */
function trades(count: number): ExecutionReport[] {
  return Array.from({ length: count }, (_, index) => {
    sequence += 1;
    return desk.tradeOf(behind + 1 + (index % ORDERS), sequence);
  });
}
const publish = (reports: readonly ExecutionReport[]) => {
  const stretches = [...cutter.cut(reports), ...cutter.catchUp()];
  return persistently(() => bus().publish(stretches));
};
const whenApplied = () =>
  waitFor(`everything up to ${sequence}`, async () => {
    const rows = await daybook.database.query<{ applied: number }>(
      'SELECT applied::float8 FROM execution_offsets',
    );
    return rows.length === PARTITIONS && rows.every(({ applied }) => applied === sequence);
  });
const filled = async () => {
  const states = await desk.readExchangeOrders(daybook.database);
  return states.reduce((sum, state) => sum + state.filled, 0);
};
const quarantined = () =>
  daybook.database.query<{ execId: string; reason: string }>(
    'SELECT exec_id AS "execId", reason FROM quarantined_executions ORDER BY sequence',
  );

describe('the consumer', () => {
  it('applies what is published, and forgets it', async () => {
    await insertOrders();
    await publish(trades(400));
    await publish(trades(3));
    await whenApplied();
    expect(await filled()).toBe(403);
    expect(await daybook.database.query('SELECT FROM execution_inbox')).toEqual([]);
  });

  it('applies what was parked, though nothing else comes', async () => {
    await publish(trades(80));
    await whenApplied();
    await insertOrders();
    await waitFor('parked reports to be applied', async () => (await filled()) === 80);
    expect(await daybook.database.query('SELECT FROM parked_executions')).toEqual([]);
  });

  it('puts a report aside that the database does not take, and applies all others', async () => {
    await insertOrders();
    const reports = trades(1_200);
    const poison = [reports[77], reports[500], reports[1_199]].map((report) => report?.execId);
    await daybook.database.query(`
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'poison' USING ERRCODE = 'check_violation'; END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON executions FOR EACH ROW
        WHEN (NEW.exec_id IN (${poison.map((id) => `'${id}'`).join()})) EXECUTE FUNCTION refuse()`);
    const waiting = jest.spyOn(Backoff.prototype, 'wait');
    await publish(reports);
    await whenApplied();
    // All that time none of the others is applied.
    expect(waiting).not.toHaveBeenCalled();
    waiting.mockRestore();
    await daybook.database.query('DROP TRIGGER refuse ON executions; DROP FUNCTION refuse');
    expect(await quarantined()).toEqual(
      poison.map((execId) => ({ execId, reason: 'could not be applied: poison' })),
    );
    expect(await filled()).toBe(1_197);
  });

  it('skips nothing when the bus has lost something, and goes on once that is sent again', async () => {
    await insertOrders();
    const lost = trades(100);
    const whole = cutter.cut(lost);
    await bus().publish(whole.filter(({ partition }) => partition !== 3));
    await publish(trades(100));
    await waitFor('the loss to be told', async () => {
      const rows = await daybook.database.query('SELECT FROM execution_offsets WHERE lost_after = applied');
      return rows.length === 1;
    });
    const others = whole.filter(({ partition }) => partition === 3);
    const missing = others.reduce((sum, { reports }) => sum + reports.length, 0);
    expect(missing).toBeGreaterThan(0);
    await bus().publish(others);
    await whenApplied();
    expect(await filled()).toBe(200);
  });

  it('goes on when the database was away', async () => {
    await insertOrders();
    const ending = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'daybook'`;
    for (let time = 0; time < 5; time += 1) {
      await publish(trades(200));
      await daybook.database.query(ending);
    }
    await whenApplied();
    expect(await filled()).toBe(1_000);
  });
});
