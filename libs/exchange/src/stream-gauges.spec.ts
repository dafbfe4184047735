import { startTestApp, type TestApp } from '../../../test/support/app.js';
import { ExecutionOffsets } from './execution-offsets.js';
import { StreamGauges } from './stream-gauges.js';

const VENUE = 'XSIM';

let daybook: TestApp;
beforeAll(async () => {
  // Nobody is there, and nobody asks.
  daybook = await startTestApp({ DAYBOOK_ROLES: 'api', EXCHANGE_URL: 'http://127.0.0.1:1' });
});
afterAll(() => daybook.stop());

const offsets = () => daybook.app.get(ExecutionOffsets, { strict: false });
const apply = (applied: number, part = '%') =>
  daybook.database.query('UPDATE execution_offsets SET applied = $1 WHERE partition::text LIKE $2', [
    applied,
    part,
  ]);
async function lag() {
  const readings = await daybook.app.get(StreamGauges, { strict: false }).read();
  const value = (name: string) => readings.find(({ gauge }) => gauge.name.endsWith(name))?.value;
  return { reports: value('lag_reports'), seconds: Math.round(value('lag_seconds') ?? NaN) };
}

it('the lag is what has been received and is not applied, and how long ago that was received', async () => {
  expect(await lag()).toEqual({ reports: 0, seconds: 0 });
  await offsets().read(VENUE);
  await offsets().noteConnection(VENUE, 0);
  const at = Date.parse('2026-11-21T12:00:00Z');
  for (const [seconds, through] of [
    [0, 100],
    [10, 250],
    [20, 300],
  ] as const) {
    await daybook.database.stopTime(new Date(at + seconds * 1_000));
    await offsets().noteReceived(VENUE, through, true);
  }
  await daybook.database.stopTime(new Date(at + 30_000));
  expect(await lag()).toEqual({ reports: 300, seconds: 30 });
  await apply(270);
  expect(await lag()).toEqual({ reports: 30, seconds: 10 });
  // The slowest part counts.
  await apply(120, '5');
  expect(await lag()).toEqual({ reports: 180, seconds: 20 });
  await apply(301);
  expect(await lag()).toEqual({ reports: 0, seconds: 0 });
  await offsets().noteReceived(VENUE, 310, true);
  const marks = await daybook.database.query('SELECT sequence::int FROM execution_marks');
  expect(marks).toEqual([{ sequence: 310 }]);
});

it('a standstill lasts from when the stream was last whole and passed on, or first tried, until it is so again', async () => {
  await daybook.database.query('TRUNCATE execution_streams, execution_offsets');
  const standstill = async () => {
    const readings = await daybook.app.get(StreamGauges, { strict: false }).read();
    return readings.find(({ gauge }) => gauge.name.endsWith('standstill_seconds'))?.value;
  };
  const at = Date.parse('2026-11-22T12:00:00Z');
  const after = (seconds: number) => daybook.database.stopTime(new Date(at + seconds * 1_000));
  await after(0);
  expect(await standstill()).toBe(0);
  await offsets().read(VENUE);
  await after(20);
  expect(await standstill()).toBe(20);
  await offsets().noteConnection(VENUE, 0);
  await offsets().noteReceived(VENUE, 0, false);
  await after(30);
  expect(await standstill()).toBe(30);
  await offsets().noteReceived(VENUE, 0, true);
  expect(await standstill()).toBe(0);
  await after(40);
  await offsets().read('XOTHER');
  expect(await standstill()).toBe(10);
});
