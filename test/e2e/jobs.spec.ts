import { startTestApp, type TestApp } from '../support/app.js';
import { closeGate } from '../support/gate.js';
import { expectProblem } from '../support/problem.js';
import { waitFor } from '../support/wait-for.js';

const PURGE = '/admin/jobs/purge-idempotency-keys';

/** A run as the API shows it. */
interface Run {
  readonly id: string;
  readonly result: string;
}

let daybook: TestApp;

// Without a scheduler, so that nothing runs but what the test asks for. What fails here, fails on purpose.
beforeEach(async () => {
  daybook = await startTestApp({ DAYBOOK_ROLES: 'api', LOG_LEVEL: 'fatal' });
});
afterEach(() => daybook.stop());

const asAdmin = (method: string, path: string) => daybook.api(method, path, { token: daybook.tokens.admin });

async function job(name: string) {
  const { body } = await asAdmin('GET', '/admin/jobs');
  return body.data.find((one: { name: string }) => one.name === name);
}

const insertOldKeys = (count: number) =>
  daybook.database.query(
    `INSERT INTO idempotency_keys (caller, key, fingerprint, status, body, created_at)
     SELECT 'bob', n::text, 'a', 201, '{}', business_now() - interval '25 hours' FROM generate_series(1, $1) n`,
    [count],
  );

const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string;

describe('the list of jobs', () => {
  it('has each job with its schedule and its last run, by name', async () => {
    await asAdmin('POST', `${PURGE}/run`);
    const { status, body } = await asAdmin('GET', '/admin/jobs');
    expect(status).toBe(200);
    const names = body.data.map(({ name }: { name: string }) => name);
    expect(names).toEqual([...names].sort());
    expect(names).toEqual(
      expect.arrayContaining([
        'drop-old-order-numbers',
        'fold-order-tallies',
        'make-report',
        'prepare-order-numbers',
        'purge-idempotency-keys',
        'purge-job-runs',
      ]),
    );
    expect(await job('purge-idempotency-keys')).toEqual({
      name: 'purge-idempotency-keys',
      description: 'Forgets idempotency keys that are older than 24 hours.',
      schedule: '*/10 * * * *',
      leaseSeconds: 60,
      nextRunAt: expect.stringMatching(/:\d0:00\.000Z$/),
      overdue: false,
      lastRun: {
        id: expect.stringMatching(/^\d+$/),
        trigger: 'manual',
        requestedBy: 'admin-1',
        result: 'succeeded',
        scheduledFor: null,
        startedAt: TIME,
        finishedAt: TIME,
        rows: 0,
        error: null,
      },
    });
    expect(await job('purge-job-runs')).toMatchObject({ lastRun: null });
    expect(await job('make-report')).toMatchObject({ schedule: 'every 60 seconds' });
  });

  it('shows a job as overdue when its tick is long past and nobody runs it', async () => {
    expect(await job('prepare-order-numbers')).toMatchObject({ overdue: false });
    await daybook.database.query(`UPDATE jobs SET next_run_at = business_now() - interval '59 seconds'`);
    expect(await job('prepare-order-numbers')).toMatchObject({ overdue: false });
    await daybook.database.shiftTime('2 seconds');
    expect(await job('prepare-order-numbers')).toMatchObject({ overdue: true });
    await daybook.database.query(`UPDATE jobs SET lease_until = business_now() - interval '59 seconds'`);
    expect(await job('prepare-order-numbers')).toMatchObject({ overdue: false });
    await daybook.database.shiftTime('4 seconds');
    expect(await job('prepare-order-numbers')).toMatchObject({ overdue: true });
  });
});

describe('running a job by hand', () => {
  it('answers with the run when it has ended', async () => {
    await insertOldKeys(7_000);
    const { status, body } = await asAdmin('POST', `${PURGE}/run`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ trigger: 'manual', result: 'succeeded', rows: 7_000 });
    expect((await job('purge-idempotency-keys')).lastRun).toEqual(body);
  });

  it('tells of a failure as a result, not as an error of the request', async () => {
    await daybook.database.query('ALTER TABLE idempotency_keys RENAME TO lost');
    const { status, body } = await asAdmin('POST', `${PURGE}/run`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ result: 'failed', error: expect.stringContaining('does not exist') });
  });

  it('answers 202 when it takes long, and refuses a second run meanwhile', async () => {
    await insertOldKeys(5);
    const gate = await closeGate(daybook.database, 'idempotency_keys');
    const pending = asAdmin('POST', `${PURGE}/run`);
    await gate.whenWaiting(1);
    const problem = expectProblem(await asAdmin('POST', `${PURGE}/run`), 409, 'job_running');
    expect(problem).toMatchObject({ job: 'purge-idempotency-keys' });
    const { status, body } = await pending;
    expect({ status, body }).toMatchObject({ status: 202, body: { result: 'running', finishedAt: null } });
    await gate.open();
    const ended = await waitFor('the end of the run', async () => {
      const { lastRun } = await job('purge-idempotency-keys');
      return lastRun.result !== 'running' && (lastRun as Run);
    });
    expect(ended).toMatchObject({ id: body.id, result: 'succeeded', rows: 5 });
    expect((await asAdmin('POST', `${PURGE}/run`)).status).toBe(200);
  });

  it('of a name that no job has is 404, and so are its runs', async () => {
    expectProblem(await asAdmin('POST', '/admin/jobs/make-coffee/run'), 404, 'not_found');
    expectProblem(await asAdmin('GET', '/admin/jobs/make-coffee/runs'), 404, 'not_found');
  });
});

describe('the runs of a job', () => {
  it('are listed page by page, the newest first', async () => {
    const ids = [];
    for (let n = 0; n < 5; n += 1) ids.unshift((await asAdmin('POST', `${PURGE}/run`)).body.id);
    await asAdmin('POST', '/admin/jobs/purge-job-runs/run');
    const seen: string[] = [];
    let path = `${PURGE}/runs?limit=2`;
    for (let pages = 1; ; pages += 1) {
      const { body, headers } = await asAdmin('GET', path);
      seen.push(...body.data.map(({ id }: Run) => id));
      if (body.nextCursor === null) {
        expect(pages).toBe(3);
        break;
      }
      expect(headers.get('link')).toContain(body.nextCursor);
      path = `${PURGE}/runs?limit=2&cursor=${body.nextCursor}`;
    }
    expect(seen).toEqual(ids);
  });

  it('have cursors of their own', async () => {
    for (let n = 0; n < 2; n += 1) await asAdmin('POST', `${PURGE}/run`);
    const { nextCursor } = (await asAdmin('GET', `${PURGE}/runs?limit=1`)).body;
    const other = await asAdmin('GET', `/admin/jobs/purge-job-runs/runs?cursor=${nextCursor}`);
    expectProblem(other, 400, 'validation_failed');
  });
});

describe('an idempotency key that was purged', () => {
  it('may be used for another request', async () => {
    const create = (sku: string) =>
      daybook.api('POST', '/products', {
        body: { sku, name: sku, priceCents: 1 },
        headers: { 'idempotency-key': 'the key' },
      });
    expect((await create('TEA')).status).toBe(201);
    expectProblem(await create('COFFEE'), 422, 'idempotency_key_reused');
    await daybook.database.shiftTime('25 hours');
    expect((await asAdmin('POST', `${PURGE}/run`)).body).toMatchObject({ rows: 1 });
    expect((await create('COFFEE')).status).toBe(201);
  });
});
