import { Injectable, Logger, type Type } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { DataSource, type EntityManager } from 'typeorm';

import { createTestDatabase, type TestDatabase } from '../../../../test/support/database.js';
import { TcpProxy } from '../../../../test/support/tcp-proxy.js';
import { waitFor } from '../../../../test/support/wait-for.js';
import { CONFIG } from '../config/config.js';
import { dataSourceOptions } from '../database/data-source-options.js';
import { inTransaction } from '../database/transaction.js';
import { DeclaredJobs } from './declared-jobs.js';
import { type JobRun, LeaseLost } from './job-run.js';
import { JobScheduler } from './job-scheduler.js';
import { JobStore } from './job-store.js';
import { type RunsJob, ScheduledJob } from './scheduled-job.js';

const { jest } = import.meta;

/*
 * A job that rakes leaves, every ten minutes; what it does is up to the test. A "process" has a scheduler of its own,
 * whose heart beats only when the test says so.
 */
let rake: (run: JobRun) => Promise<void>;

@Injectable()
@ScheduledJob({ name: 'rake-leaves', cron: '*/10 * * * *', leaseSeconds: 60, description: 'Rakes.' })
class Raker implements RunsJob {
  run(run: JobRun): Promise<void> {
    return rake(run);
  }
}

/** The same job as a later version of the program declares it. */
@Injectable()
@ScheduledJob({ name: 'rake-leaves', cron: '0 3 * * *', leaseSeconds: 60, description: 'Rakes.' })
class NightlyRaker extends Raker {}

/** The same job with a lease under which the rest behind a batch is longer than any test. */
@Injectable()
@ScheduledJob({ name: 'rake-leaves', cron: '*/10 * * * *', leaseSeconds: 3600, description: 'Rakes.' })
class LeisurelyRaker extends Raker {}

@Injectable()
@ScheduledJob({ name: 'sweep-paths', cron: '*/10 * * * *', leaseSeconds: 60, description: 'Sweeps.' })
class Sweeper implements RunsJob {
  async run(): Promise<void> {}
}

interface Run {
  readonly job: string;
  readonly fence: string;
  readonly trigger: string;
  readonly result: string;
  readonly scheduledFor: Date | null;
  readonly finishedAt: Date | null;
  readonly rows: string;
  readonly error: string | null;
}

const START = Date.parse('2030-01-07T12:00:30Z');
const TICK = new Date('2030-01-07T12:10:00Z');
const NEXT_TICK = new Date('2030-01-07T12:20:00Z');
const MINUTE_MS = 60_000;

let database: TestDatabase;
let pool: DataSource;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.query('CREATE TABLE leaves (raked_by text)');
  pool = await new DataSource(dataSourceOptions(database.url, 20)).initialize();
});
afterAll(async () => {
  await pool.destroy();
  await database.drop();
});
beforeEach(async () => {
  await database.query('TRUNCATE jobs, job_runs, leaves');
  await makeItBe(START);
  rake = async () => undefined;
});
afterEach(() => {
  jest.restoreAllMocks();
});

const makeItBe = (time: number | Date) => database.shiftTime(`${Number(time) - Date.now()} milliseconds`);

async function startProcess({
  providers = [Raker] as Type[],
  roles = ['scheduler'],
  dataSource = pool,
} = {}): Promise<JobScheduler> {
  const module = await Test.createTestingModule({
    imports: [DiscoveryModule],
    providers: [
      DeclaredJobs,
      JobStore,
      JobScheduler,
      ...providers,
      { provide: DataSource, useValue: dataSource },
      { provide: CONFIG, useValue: { businessTimezone: 'UTC', roles } },
    ],
  }).compile();
  await module.init();
  return module.get(JobScheduler);
}

const runs = () =>
  database.query<Run>(`SELECT job, fence, trigger, result, scheduled_for AS "scheduledFor",
    finished_at AS "finishedAt", rows, error FROM job_runs ORDER BY id`);

/** When all runs have ended, those there are. */
const endedRuns = () =>
  waitFor('the end of all runs', async () => {
    const found = await runs();
    return !found.some(({ result }) => result === 'running') && found;
  });

async function nextRunAt(): Promise<Date | undefined> {
  const [row] = await database.query<{ at: Date }>(
    `SELECT next_run_at AS at FROM jobs WHERE name = 'rake-leaves'`,
  );
  return row?.at;
}

const rakedBy = async () =>
  (await database.query<{ by: string }>('SELECT raked_by AS by FROM leaves')).map(({ by }) => by);

const rakeOne = (name: string) => async (manager: EntityManager) => {
  await manager.query('INSERT INTO leaves VALUES ($1)', [name]);
  return 1;
};

/** A job that has begun, and goes on when the test says so. */
function heldUpJob(name = 'first') {
  const begun = Promise.withResolvers<JobRun>();
  const gate = Promise.withResolvers<void>();
  rake = async (run) => {
    begun.resolve(run);
    await gate.promise;
    await run.batch(rakeOne(name));
  };
  return { begun: begun.promise, goOn: gate.resolve };
}

describe('a tick', () => {
  it('is not run before its time', async () => {
    const scheduler = await startProcess();
    await makeItBe(TICK.getTime() - 1_000);
    await scheduler.beat();
    expect(await runs()).toEqual([]);
    expect(await nextRunAt()).toEqual(TICK);
  });

  it('is run once, however many processes look for it at the same moment', async () => {
    const schedulers = await Promise.all(Array.from({ length: 8 }, () => startProcess()));
    for (let tick = 0; tick < 5; tick += 1) {
      await makeItBe(TICK.getTime() + tick * 10 * MINUTE_MS);
      await Promise.all(schedulers.map((scheduler) => scheduler.beat()));
      await endedRuns();
      await Promise.all(schedulers.map((scheduler) => scheduler.beat()));
    }
    expect(await endedRuns()).toMatchObject(
      Array.from({ length: 5 }, (_, tick) => ({
        fence: String(tick + 1),
        trigger: 'schedule',
        result: 'succeeded',
        scheduledFor: new Date(TICK.getTime() + tick * 10 * MINUTE_MS),
        error: null,
      })),
    );
  });

  it('is known to its run, and to the run that does it again; one that was asked for by hand has none', async () => {
    const known: (Date | null)[] = [];
    rake = async (run) => {
      known.push(run.lease.scheduledFor);
      if (known.length === 1) run.abort(new Error('The server was stopped.'));
    };
    const scheduler = await startProcess();
    await makeItBe(TICK);
    await scheduler.beat();
    await endedRuns();
    await scheduler.beat();
    await endedRuns();
    await (
      await scheduler.runNow('rake-leaves', 'admin-1')
    )?.ended;
    expect(known).toEqual([TICK, TICK, null]);
  });

  it('is not run by a process that is no scheduler', async () => {
    const scheduler = await startProcess({ roles: ['api', 'worker'] });
    await makeItBe(TICK);
    await scheduler.beat();
    expect(await runs()).toEqual([]);
  });

  it('that was missed is made up for, and many of them by one run', async () => {
    const scheduler = await startProcess();
    await makeItBe(TICK.getTime() + 24 * 60 * MINUTE_MS + MINUTE_MS);
    await scheduler.beat();
    await endedRuns();
    await scheduler.beat();
    expect(await endedRuns()).toMatchObject([{ scheduledFor: TICK, result: 'succeeded' }]);
    expect(await nextRunAt()).toEqual(new Date(NEXT_TICK.getTime() + 24 * 60 * MINUTE_MS));
  });

  it('waits for the run before it to end, and is run then', async () => {
    const scheduler = await startProcess();
    const { begun, goOn } = heldUpJob();
    await makeItBe(TICK);
    await scheduler.beat();
    const run = await begun;
    await makeItBe(NEXT_TICK.getTime() - 30_000);
    await run.batch(async () => 0);
    await makeItBe(NEXT_TICK);
    await scheduler.beat();
    expect(await runs()).toHaveLength(1);
    goOn();
    await endedRuns();
    await scheduler.beat();
    expect(await endedRuns()).toMatchObject([{ scheduledFor: TICK }, { scheduledFor: NEXT_TICK }]);
  });
});

describe('a run', () => {
  it('is recorded with its times and the rows of all its batches', async () => {
    const scheduler = await startProcess();
    let left = 3;
    rake = (run) => run.untilDone(async (manager) => (left-- > 0 ? (await rakeOne('a')(manager)) * 100 : 0));
    await makeItBe(TICK);
    await scheduler.beat();
    const [run] = await endedRuns();
    expect(run).toMatchObject({ result: 'succeeded', rows: '300', error: null });
    expect(run?.finishedAt?.getTime()).toBeGreaterThanOrEqual(TICK.getTime());
  });

  it('that fails is recorded with its error, logged, and disturbs neither other jobs nor its next tick', async () => {
    const logged = jest.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
    const scheduler = await startProcess({ providers: [Raker, Sweeper] });
    rake = () => Promise.reject(new Error('The rake is broken\0\ud800'));
    for (const time of [TICK, NEXT_TICK]) {
      await makeItBe(time);
      await scheduler.beat();
      await endedRuns();
    }
    const failed = { job: 'rake-leaves', result: 'failed', error: 'The rake is broken\ufffd' };
    const succeeded = { job: 'sweep-paths', result: 'succeeded' };
    expect(await endedRuns()).toMatchObject([failed, succeeded, failed, succeeded]);
    expect(logged.mock.calls).toMatchObject([[{ job: 'rake-leaves', runId: expect.any(String) }], [{}]]);
  });

  it('acts under the name of the job and the run', async () => {
    const scheduler = await startProcess();
    let context: unknown;
    rake = async (run) => {
      context = run.context;
    };
    await makeItBe(TICK);
    await scheduler.beat();
    await endedRuns();
    const [row] = await database.query<{ id: string }>('SELECT id FROM job_runs');
    expect(context).toEqual({ actor: 'daybook', roles: ['admin'], requestId: `job/rake-leaves/${row?.id}` });
  });

  it('that has ended can write nothing more', async () => {
    const scheduler = await startProcess();
    let late: JobRun | undefined;
    rake = async (run) => {
      late = run;
    };
    await makeItBe(TICK);
    await scheduler.beat();
    await endedRuns();
    await expect(late?.batch(rakeOne('late'))).rejects.toThrow(LeaseLost);
    expect(await rakedBy()).toEqual([]);
  });
});

describe('a lease that has run out', () => {
  it('lets another process run the job again, for the same tick, long before the next one', async () => {
    const [first, second] = [await startProcess(), await startProcess()];
    const overtaken = heldUpJob('first');
    await makeItBe(TICK);
    await first.beat();
    await overtaken.begun;
    const successor = heldUpJob('second');
    await makeItBe(TICK.getTime() + 50_000);
    await second.beat();
    expect(await runs()).toHaveLength(1);
    await makeItBe(TICK.getTime() + 2 * MINUTE_MS);
    await second.beat();
    await successor.begun;
    const abandoned = { fence: '1', result: 'abandoned', scheduledFor: TICK, finishedAt: null, rows: '0' };
    const running = { fence: '2', result: 'running', scheduledFor: TICK };
    expect(await runs()).toMatchObject([abandoned, running]);
    expect(await nextRunAt()).toEqual(NEXT_TICK);
    overtaken.goOn();
    await first.drain();
    // What the first one wrote late is gone, and so is its word that it has ended.
    expect(await rakedBy()).toEqual([]);
    expect(await runs()).toMatchObject([abandoned, running]);
    successor.goOn();
    expect(await endedRuns()).toMatchObject([abandoned, { fence: '2', result: 'succeeded', rows: '1' }]);
    expect(await rakedBy()).toEqual(['second']);
  });

  it('is still that of its holder while nobody else has claimed the job', async () => {
    const scheduler = await startProcess();
    const { begun, goOn } = heldUpJob();
    await makeItBe(TICK);
    await scheduler.beat();
    await begun;
    await makeItBe(TICK.getTime() + 5 * MINUTE_MS);
    goOn();
    expect(await endedRuns()).toMatchObject([{ result: 'succeeded', rows: '1' }]);
  });

  it('aborts the signal of a run that writes nothing', async () => {
    const [first, second] = [await startProcess(), await startProcess()];
    const { begun, goOn } = heldUpJob();
    await makeItBe(TICK);
    await first.beat();
    const run = await begun;
    rake = async () => undefined;
    await makeItBe(TICK.getTime() + 2 * MINUTE_MS);
    await second.beat();
    expect(run.signal.aborted).toBe(false);
    await first.beat();
    expect(run.signal.reason).toBeInstanceOf(LeaseLost);
    goOn();
  });

  it('is not waited for while its holder hangs in the middle of renewing it, and is renewed if that succeeds', async () => {
    const [first, second] = [await startProcess(), await startProcess()];
    const { begun, goOn } = heldUpJob();
    await makeItBe(TICK);
    await first.beat();
    const run = await begun;
    const failures = jest.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
    await makeItBe(TICK.getTime() + 2 * MINUTE_MS);
    await inTransaction(pool, async (manager) => {
      await run.hold(manager, 7);
      await second.beat();
    });
    // A heartbeat that waits for a lock fails after some seconds.
    expect(failures).not.toHaveBeenCalled();
    await second.beat();
    expect(await runs()).toMatchObject([{ result: 'running', rows: '7' }]);
    goOn();
    expect(await endedRuns()).toMatchObject([{ result: 'succeeded', rows: '8' }]);
  });
});

describe('a process that stops', () => {
  it('ends a long sweep behind the batch it is in; another process does the tick again at once', async () => {
    const [first, second] = [await startProcess(), await startProcess()];
    const begun = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    rake = (run) =>
      run.untilDone(async (manager) => {
        begun.resolve();
        await gate.promise;
        return rakeOne('first')(manager);
      });
    await makeItBe(TICK);
    await first.beat();
    await begun.promise;
    const drained = first.drain();
    gate.resolve();
    await drained;
    expect(await rakedBy()).toEqual(['first']);
    const abandoned = {
      result: 'abandoned',
      rows: '1',
      finishedAt: expect.any(Date),
      error: 'The server was stopped.',
    };
    expect(await runs()).toMatchObject([abandoned]);
    rake = async () => undefined;
    await second.beat();
    expect(await endedRuns()).toMatchObject([abandoned, { result: 'succeeded', scheduledFor: TICK }]);
    expect(await nextRunAt()).toEqual(NEXT_TICK);
  });

  it('does not wait for the end of a rest between two batches', async () => {
    const scheduler = await startProcess({ providers: [LeisurelyRaker] });
    rake = (run) => run.untilDone(rakeOne('a'), { share: 1e-9 });
    await makeItBe(TICK);
    await scheduler.beat();
    await waitFor('the first batch', async () => (await rakedBy()).length > 0);
    await scheduler.drain();
    expect(await runs()).toMatchObject([{ result: 'abandoned', rows: '1' }]);
  });

  it('starts nothing more', async () => {
    const scheduler = await startProcess();
    await makeItBe(TICK);
    const beating = scheduler.beat();
    await scheduler.drain();
    await beating;
    await scheduler.beat();
    // The heartbeat that was under way may have claimed the tick; then it has given it back.
    expect((await runs()).filter(({ result }) => result !== 'abandoned')).toEqual([]);
  });
});

describe('a run by hand', () => {
  it('leaves the next tick where it is, and says who asked for it', async () => {
    const jobs = await startProcess({ roles: ['api'] });
    const started = await runByHand(jobs);
    await started?.ended;
    expect(await runs()).toMatchObject([{ trigger: 'manual', result: 'succeeded', scheduledFor: null }]);
    expect(await database.query('SELECT requested_by FROM job_runs')).toEqual([{ requested_by: 'admin-1' }]);
    expect(await nextRunAt()).toEqual(TICK);
  });

  it('is refused while the job runs, in whatever process', async () => {
    const [first, second] = [await startProcess(), await startProcess()];
    const { begun, goOn } = heldUpJob();
    await makeItBe(TICK);
    await first.beat();
    await begun;
    expect(await runByHand(first)).toBeUndefined();
    expect(await runByHand(second)).toBeUndefined();
    goOn();
    await endedRuns();
    expect(await runByHand(second)).toBeDefined();
  });

  it('that is lost with its process is done again by a scheduler', async () => {
    const [first, second] = [await startProcess({ roles: ['api'] }), await startProcess()];
    const { begun, goOn } = heldUpJob();
    await runByHand(first);
    await begun;
    rake = async () => undefined;
    await makeItBe(START + 2 * MINUTE_MS);
    await second.beat();
    expect(await endedRuns()).toMatchObject([
      { trigger: 'manual', result: 'abandoned' },
      { trigger: 'schedule', result: 'succeeded', scheduledFor: null },
    ]);
    goOn();
  });

  it('is told that another process has taken over, though its own is no scheduler', async () => {
    const [first, second] = [await startProcess({ roles: ['api'] }), await startProcess()];
    const { begun, goOn } = heldUpJob();
    await runByHand(first);
    const run = await begun;
    rake = async () => undefined;
    await makeItBe(START + 2 * MINUTE_MS);
    await second.beat();
    await first.beat();
    expect(run.signal.reason).toBeInstanceOf(LeaseLost);
    goOn();
  });

  it('by several at once is one run', async () => {
    const schedulers = await Promise.all(Array.from({ length: 6 }, () => startProcess()));
    const { goOn } = heldUpJob();
    const started = await Promise.all(schedulers.map(runByHand));
    expect(started.filter((run) => run !== undefined)).toHaveLength(1);
    goOn();
    await endedRuns();
  });
});

/** As the API does. */
function runByHand(scheduler: JobScheduler) {
  return scheduler.runNow('rake-leaves', 'admin-1');
}

describe('the ends of all runs', () => {
  const ends = () => database.query('SELECT succeeded, failed, abandoned FROM jobs');

  it('are counted by how they ended, for as long as the job exists', async () => {
    jest.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
    const [first, second] = [await startProcess(), await startProcess()];
    await (
      await runByHand(first)
    )?.ended;
    rake = () => Promise.reject(new Error('The rake is broken'));
    await (
      await runByHand(first)
    )?.ended;
    expect(await ends()).toEqual([{ succeeded: '1', failed: '1', abandoned: '0' }]);
    const { begun, goOn } = heldUpJob();
    await runByHand(first);
    await begun;
    await makeItBe(START + 2 * MINUTE_MS);
    rake = async () => undefined;
    await (
      await runByHand(second)
    )?.ended;
    expect(await ends()).toEqual([{ succeeded: '2', failed: '1', abandoned: '1' }]);
    goOn();
    await first.drain();
    expect(await ends()).toEqual([{ succeeded: '2', failed: '1', abandoned: '1' }]);
    const sweep = heldUpJob();
    await runByHand(second);
    await sweep.begun;
    const drained = second.drain();
    sweep.goOn();
    await drained;
    expect(await ends()).toEqual([{ succeeded: '2', failed: '1', abandoned: '2' }]);
  });
});

describe('an outage of the database', () => {
  it('costs one line in the log, and the tick is run when it is over', async () => {
    const proxy = await TcpProxy.before(database.url);
    const dataSource = await new DataSource(dataSourceOptions(proxy.through(database.url), 2)).initialize();
    const scheduler = await startProcess({ dataSource });
    const failures = jest.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
    const recoveries = jest.spyOn(Logger.prototype, 'log').mockImplementation(() => undefined);
    await makeItBe(TICK);
    await proxy.cut();
    for (let beat = 0; beat < 5; beat += 1) await scheduler.beat();
    expect(failures).toHaveBeenCalledTimes(1);
    expect(recoveries).not.toHaveBeenCalled();
    await proxy.mend();
    await scheduler.beat();
    expect(await endedRuns()).toMatchObject([{ result: 'succeeded', scheduledFor: TICK }]);
    expect(recoveries.mock.calls).toEqual([['Jobs start again']]);
    await dataSource.destroy();
    await proxy.close();
  });
});

describe('a start', () => {
  it('takes over a new schedule, and keeps a tick that is due already', async () => {
    await startProcess();
    await startProcess({ providers: [NightlyRaker] });
    expect(await nextRunAt()).toEqual(TICK);
    await makeItBe(TICK);
    const scheduler = await startProcess({ providers: [NightlyRaker] });
    await scheduler.beat();
    expect(await endedRuns()).toMatchObject([{ scheduledFor: TICK }]);
    expect(await nextRunAt()).toEqual(new Date('2030-01-08T03:00:00Z'));
    await startProcess();
    expect(await nextRunAt()).toEqual(NEXT_TICK);
    expect(await database.query('SELECT schedule FROM jobs')).toEqual([{ schedule: '*/10 * * * *' }]);
  });

  it.each(['next_run_at', 'lease_until'])(
    'mends a %s that a clock far ahead has left behind',
    async (column) => {
      await startProcess();
      await database.query(`UPDATE jobs SET ${column} = '2033-05-05'`);
      const scheduler = await startProcess();
      expect(await nextRunAt()).toEqual(TICK);
      await makeItBe(TICK);
      await scheduler.beat();
      expect(await endedRuns()).toMatchObject([{ scheduledFor: TICK, result: 'succeeded' }]);
    },
  );

  it('leaves jobs alone that only another version of the program knows', async () => {
    await startProcess();
    const scheduler = await startProcess({ providers: [Sweeper] });
    await makeItBe(TICK);
    await scheduler.beat();
    expect(await endedRuns()).toMatchObject([{ job: 'sweep-paths' }]);
  });
});
