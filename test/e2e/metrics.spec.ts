import { request, type TestApp, withTestApp } from '../support/app.js';
import { expectProblem } from '../support/problem.js';
import { readPrometheusText, seriesIn } from '../support/prometheus-text.js';

/** Every sample by its name and labels, as they are written. */
async function samples({ origin }: TestApp): Promise<Map<string, number>> {
  const { status, text } = await request(origin, 'GET', '/metrics');
  expect(status).toBe(200);
  return seriesIn(readPrometheusText(text));
}

const PURGE = 'job="purge-idempotency-keys"';
const runPurge = ({ api, tokens }: TestApp) =>
  api('POST', '/admin/jobs/purge-idempotency-keys/run', { token: tokens.admin });

describe('GET /metrics', () => {
  it('is plain text for Prometheus, with what this process needs', async () => {
    await withTestApp({}, async (daybook) => {
      const { headers } = await request(daybook.origin, 'GET', '/metrics');
      expect(headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
      const found = await samples(daybook);
      expect(found.get('process_resident_memory_bytes')).toBeGreaterThan(1e6);
      expect(found.get('daybook_gauge_readers_failed')).toBe(0);
    });
  });

  it('tells of each job when it last succeeded, how long that took and how its runs ended', async () => {
    await withTestApp({ DAYBOOK_ROLES: 'api', LOG_LEVEL: 'fatal' }, async (daybook) => {
      const before = await samples(daybook);
      expect(before.get(`daybook_job_runs{${PURGE},result="succeeded"}`)).toBe(0);
      expect(before.has(`daybook_job_last_success_timestamp_seconds{${PURGE}}`)).toBe(false);
      const { finishedAt } = (await runPurge(daybook)).body;
      await daybook.database.query('ALTER TABLE idempotency_keys RENAME TO lost');
      await runPurge(daybook);
      const after = await samples(daybook);
      expect(after.get(`daybook_job_runs{${PURGE},result="succeeded"}`)).toBe(1);
      expect(after.get(`daybook_job_runs{${PURGE},result="failed"}`)).toBe(1);
      expect(after.get(`daybook_job_runs{${PURGE},result="abandoned"}`)).toBe(0);
      expect(after.get(`daybook_job_last_success_timestamp_seconds{${PURGE}}`)).toBe(
        Date.parse(finishedAt) / 1000,
      );
      expect(after.get(`daybook_job_last_duration_seconds{${PURGE}}`)).toBeGreaterThanOrEqual(0);
    });
  });

  it('shows a job that is overdue', async () => {
    await withTestApp({ DAYBOOK_ROLES: 'api' }, async (daybook) => {
      expect((await samples(daybook)).get(`daybook_job_overdue{${PURGE}}`)).toBe(0);
      await daybook.database.shiftTime('12 minutes');
      expect((await samples(daybook)).get(`daybook_job_overdue{${PURGE}}`)).toBe(1);
    });
  });

  it('is served by processes of every role, and what the database knows by them at the same values', async () => {
    await withTestApp({ DAYBOOK_ROLES: 'api' }, async (daybook) => {
      await runPurge(daybook);
      const ours = (found: Map<string, number>) =>
        [...found].filter(([name]) => /^daybook_(job|reservations_(active|overdue)|gauge)/.test(name));
      const expected = ours(await samples(daybook));
      await withTestApp({ DATABASE_URL: daybook.database.url, DAYBOOK_ROLES: 'worker' }, async (worker) => {
        expect(ours(await samples(worker))).toEqual(expected);
      });
    });
  });
});

describe('who may read the metrics', () => {
  it('is everybody while the server listens on loopback only', async () => {
    await withTestApp({ HOST: '127.0.0.1' }, async ({ origin }) => {
      expect((await request(origin, 'GET', '/metrics')).status).toBe(200);
    });
  });

  it.each(['0.0.0.0', '10.1.2.3'])('is an operator while it listens on %s', async (host) => {
    await withTestApp({ HOST: host }, async ({ origin, tokens }) => {
      const ask = (token?: string) =>
        request(origin, 'GET', '/metrics', token === undefined ? {} : { token });
      expectProblem(await ask(), 401, 'unauthenticated');
      expectProblem(await ask(tokens.alice), 403, 'forbidden');
      expect((await ask(tokens.operator)).status).toBe(200);
      expect((await ask(tokens.admin)).status).toBe(200);
    });
  });
});
