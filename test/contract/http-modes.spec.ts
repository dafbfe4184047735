import { request, withTestApp } from '../support/app.js';
import { expectProblem } from '../support/problem.js';

describe('RATE_LIMIT_PER_MINUTE', () => {
  it('refuses what is beyond it, caller by caller, and says when to come again', async () => {
    await withTestApp({ RATE_LIMIT_PER_MINUTE: '3' }, async ({ api, origin, tokens }) => {
      for (let count = 0; count < 3; count += 1) expect((await api('GET', '/orders')).status).toBe(200);
      const refused = await api('GET', '/orders');
      expectProblem(refused, 429, 'rate_limited');
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
      expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(60);
      expect((await api('GET', '/orders', { token: tokens.alice })).status).toBe(200);
      expect((await request(origin, 'GET', '/health/ready')).status).toBe(200);
    });
  });
});

describe('DAYBOOK_ROLES without api', () => {
  it('leaves the health checks, the metrics and nothing else', async () => {
    await withTestApp({ DAYBOOK_ROLES: 'worker,scheduler' }, async ({ origin, tokens }) => {
      expect((await request(origin, 'GET', '/health/live')).status).toBe(200);
      expect((await request(origin, 'GET', '/health/ready')).status).toBe(200);
      expect((await request(origin, 'GET', '/metrics?format=text')).status).toBe(200);
      for (const path of [
        '/api/v1/orders',
        '/api/v1/metrics',
        '/docs',
        '/openapi.json',
        '/healthy',
        '/metricsx',
        '/metrics/x',
      ]) {
        expectProblem(await request(origin, 'GET', path, { token: tokens.admin }), 404, 'not_found');
      }
    });
  });
});
