import { startTestApp, type TestApp } from '../../../test/support/app.js';
import { ExecutionOffsets } from './execution-offsets.js';
import { StreamGauges } from './stream-gauges.js';

const VENUE = 'XSIM';

let daybook: TestApp;
beforeAll(async () => {
  daybook = await startTestApp({ DAYBOOK_ROLES: 'api' });
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
    await offsets().noteReceived(VENUE, through);
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
  await offsets().noteReceived(VENUE, 310);
  const marks = await daybook.database.query('SELECT sequence::int FROM execution_marks');
  expect(marks).toEqual([{ sequence: 310 }]);
});
