import { CronTime } from 'cron';

import { type Fleet, startFleet, wrongClock } from '../support/fleet.js';
import { closeGate, type Gate } from '../support/gate.js';
import type { ServerProcess } from '../support/server-process.js';
import { waitFor } from '../support/wait-for.js';

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const PURGE = 'purge-idempotency-keys';

interface Run {
  readonly id: string;
  readonly job: string;
  readonly fence: string;
  readonly result: string;
  readonly scheduledFor: Date;
  readonly rows: string;
}

let fleet: Fleet;

// No two of them agree what day it is.
beforeEach(async () => {
  fleet = await startFleet(
    [-3 * DAY_MS, 0, 3 * DAY_MS].map((offset) => ({ DAYBOOK_ROLES: 'scheduler', ...wrongClock(offset) })),
  );
});
afterEach(() => fleet.stop());

/** Makes it this time now, for everybody who asks the database. */
const makeItBe = (time: number) => fleet.database.shiftTime(`${time - Date.now()} milliseconds`);

const runs = () =>
  fleet.database.query<Run>(
    `SELECT id, job, fence, result, scheduled_for AS "scheduledFor", rows FROM job_runs ORDER BY id`,
  );
const runsOf = async (job: string) => (await runs()).filter((run) => run.job === job);

/** Resolves when nothing is due and nothing runs, but for one job. */
const untilSettled = ({ but = '' } = {}) =>
  waitFor('the end of all that was due', async () => {
    const busy = await fleet.database.query(
      `SELECT FROM jobs
       WHERE name <> $1 AND (coalesce(lease_until, next_run_at) <= business_now() OR holder IS NOT NULL)`,
      [but],
    );
    return busy.length === 0;
  });

/** Tomorrow at this time of the day, with all that was missed until then made up for. */
async function startTomorrowAt(hours: number, minutes: number): Promise<number> {
  const time = new Date().setUTCHours(24 + hours, minutes, 30, 0);
  await makeItBe(time);
  await untilSettled();
  return time;
}

/** The ticks of a schedule in an interval, without its beginning. */
function ticks(schedule: string, from: number, to: number): Date[] {
  const found: Date[] = [];
  const everyMs = Number(/^every (\d+) seconds$/.exec(schedule)?.[1]) * 1000;
  const cron = everyMs > 0 ? undefined : new CronTime(schedule, 'UTC');
  for (let tick = from; ;) {
    tick =
      cron?.getNextDateFrom(new Date(tick), 'UTC').toMillis() ?? (Math.floor(tick / everyMs) + 1) * everyMs;
    if (tick > to) return found;
    found.push(new Date(tick));
  }
}

describe('an hour of the night, with three schedulers', () => {
  it('has each job run once for each of its ticks', async () => {
    const from = await startTomorrowAt(2, 58);
    const before = new Set((await runs()).map(({ id }) => id));
    const to = from + 64 * MINUTE_MS;
    for (let time = from; time <= to; time += MINUTE_MS) {
      await makeItBe(time);
      await untilSettled();
    }
    const declared = await fleet.database.query<{ name: string; schedule: string }>(
      'SELECT name, schedule FROM jobs',
    );
    // The clock goes on by the minute here: ticks that lie closer together are made up for by one run.
    const jobs = declared.filter(({ schedule }) => !/^every [1-5]?\d seconds$/.test(schedule));
    expect(declared.length - jobs.length).toBe(1);
    const expected = jobs.map(({ name, schedule }) => [name, ticks(schedule, from, to)]);
    const found = (await runs()).filter(({ id }) => !before.has(id));
    expect(found.filter(({ result }) => result !== 'succeeded')).toEqual([]);
    const byJob = Map.groupBy(found, ({ job }) => job);
    const actual = jobs.map(({ name }) => [
      name,
      (byJob.get(name) ?? []).map(({ scheduledFor }) => scheduledFor),
    ]);
    expect(Object.fromEntries(actual)).toEqual(Object.fromEntries(expected));
    expect(found.length).toBeGreaterThanOrEqual(10);
  });
});

describe('the holder of a lease', () => {
  const OLD_KEYS = 7_000;
  let gate: Gate;
  let tick: number;
  let holder: ServerProcess;

  /** One of the servers has claimed the purge and is held up in the middle of its first batch. */
  beforeEach(async () => {
    tick = (await startTomorrowAt(12, 9)) + 30_000;
    await fleet.database.query('TRUNCATE job_runs');
    await fleet.database.query(
      `INSERT INTO idempotency_keys (caller, key, fingerprint, status, body, created_at)
       SELECT 'alice', n::text, 'a', 201, '{}', business_now() - interval '2 days' FROM generate_series(1, $1) n`,
      [OLD_KEYS],
    );
    gate = await closeGate(fleet.database, 'idempotency_keys');
    await makeItBe(tick);
    await gate.whenWaiting(1);
    await untilSettled({ but: PURGE });
    holder = await holderOfThePurge();
  });

  async function holderOfThePurge(): Promise<ServerProcess> {
    const [row] = await fleet.database.query<{ holder: string }>(
      `SELECT holder FROM jobs WHERE name = '${PURGE}'`,
    );
    const found = fleet.servers.find(({ child }) => row?.holder.endsWith(`/${child.pid}`));
    if (found === undefined) throw new Error(`${row?.holder} is none of the servers`);
    return found;
  }

  const untilTakenOver = () =>
    waitFor('another process to take over', async () => {
      const [first, second] = await runsOf(PURGE);
      return first?.result === 'abandoned' && second !== undefined;
    });

  async function keysLeft(): Promise<number> {
    const [row] = await fleet.database.query<{ count: number }>('SELECT count(*)::int FROM idempotency_keys');
    return row?.count ?? 0;
  }

  /** Every key that is gone was purged by a run that has it in its record. */
  async function expectAllAccountedFor(): Promise<void> {
    const recorded = (await runsOf(PURGE)).reduce((sum, { rows }) => sum + Number(rows), 0);
    expect(recorded + (await keysLeft())).toBe(OLD_KEYS);
  }

  it('that was paused beyond it can write nothing any more, not even that its run has ended', async () => {
    holder.child.kill('SIGSTOP');
    await makeItBe(tick + 2 * MINUTE_MS);
    await untilTakenOver();
    expect(await holderOfThePurge()).not.toBe(holder);
    // Its statement goes on in the database, and deletes; only it cannot be committed, as soon as it tries.
    await gate.open();
    await untilSettled();
    holder.child.kill('SIGCONT');
    await waitFor('the last word of the one that was paused', () =>
      holder.output().includes('has taken over'),
    );
    const [late, successor, ...more] = await runsOf(PURGE);
    expect(late).toMatchObject({ fence: expect.any(String), result: 'abandoned', rows: '0' });
    expect(successor).toMatchObject({ fence: String(Number(late?.fence) + 1), result: 'succeeded' });
    expect(successor?.scheduledFor).toEqual(new Date(tick));
    expect(more).toEqual([]);
    await expectAllAccountedFor();
    await makeItBe(tick + 10 * MINUTE_MS);
    await waitFor('the next run', async () => (await runsOf(PURGE)).length > 2);
    await untilSettled();
    expect(await keysLeft()).toBe(0);
    await expectAllAccountedFor();
  });

  it('that was killed is replaced when the lease has run out, long before the next tick', async () => {
    await holder.end('SIGKILL');
    await gate.open();
    await makeItBe(tick + 2 * MINUTE_MS);
    await untilTakenOver();
    await untilSettled();
    expect(await runsOf(PURGE)).toMatchObject([
      { result: 'abandoned', rows: '0' },
      { result: 'succeeded', scheduledFor: new Date(tick) },
    ]);
    await expectAllAccountedFor();
  });

  it('that is stopped ends behind the batch it is in, and another one goes on with the tick', async () => {
    const ended = holder.end('SIGTERM');
    await waitFor('the end of its service', () =>
      fetch(`${holder.origin}/health/ready`).then(
        ({ status }) => status === 503,
        () => true,
      ),
    );
    await gate.open();
    expect(await ended).toBe(0);
    await waitFor('the run of another process', async () => (await runsOf(PURGE)).length > 1);
    await untilSettled();
    expect(await runsOf(PURGE)).toMatchObject([
      { result: 'abandoned', rows: '5000', scheduledFor: new Date(tick) },
      { result: 'succeeded', rows: '2000', scheduledFor: new Date(tick) },
    ]);
    expect(await keysLeft()).toBe(0);
  });
});
