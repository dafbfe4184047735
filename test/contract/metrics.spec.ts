import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { METHODS } from 'node:http';
import { join } from 'node:path';

import { projectRoot } from '@daybook/platform';

import { request, startTestApp, type TestApp } from '../support/app.js';
import { type MetricFamily, readPrometheusText, seriesIn } from '../support/prometheus-text.js';
import { WireClient } from './http-client.js';

let daybook: TestApp;
let client: WireClient;

beforeAll(async () => {
  daybook = await startTestApp({ DAYBOOK_ROLES: 'api', LOG_LEVEL: 'fatal' });
  client = new WireClient(daybook.origin, 4);
  await daybook.createProduct('TEA', 1_000);
  await daybook.api('POST', '/admin/jobs/reconcile-stock/run', { token: daybook.tokens.admin });
});
afterAll(async () => {
  client.close();
  await daybook.stop();
});

async function families(): Promise<MetricFamily[]> {
  return readPrometheusText((await request(daybook.origin, 'GET', '/metrics')).text);
}
const ours = ({ name }: MetricFamily) => name.startsWith('daybook_');

describe('the metrics', () => {
  it('can be read as their format demands, to the last line', async () => {
    const found = await families();
    expect(found.filter(ours).length).toBeGreaterThan(15);
    expect(found.filter((family) => !ours(family)).length).toBeGreaterThan(15);
  });

  it('say in a sentence what they tell, and have names as Prometheus wants them', async () => {
    for (const { name, type, help } of (await families()).filter(ours)) {
      expect([name, help]).toEqual([name, expect.stringMatching(/^[A-Z0-9].{15,}\.$/)]);
      expect([name, type, name.endsWith('_total')]).toEqual([name, type, type === 'counter']);
      expect(name).not.toMatch(/_(ms|milliseconds|minutes|count|sum|bucket)$/);
    }
  });

  it('are all described in docs/operations.md, which describes no others of ours', async () => {
    const text = await readFile(join(projectRoot(), 'docs/operations.md'), 'utf8');
    const rows = [...text.matchAll(/^\| `(daybook_\w+)` \| (.*?) \|/gm)].map(([, name, labels]) => [
      name,
      labels,
    ]);
    const found = (await families()).filter(ours).map(({ name }) => name);
    expect(rows.map(([name]) => name).sort()).toEqual(found.sort());
  });

  it('have only labels that docs/operations.md names', async () => {
    const text = await readFile(join(projectRoot(), 'docs/operations.md'), 'utf8');
    for (const { name, samples } of (await families()).filter(ours)) {
      const [, cell = ''] = new RegExp(`^\\| \`${name}\` \\| (.*?) ?\\|`, 'm').exec(text) ?? [];
      const documented = [...cell.matchAll(/`(\w+)`/g)].map(([, label]) => label);
      const used = new Set(
        samples.flatMap(({ labels }) => Object.keys(labels)).filter((label) => label !== 'le'),
      );
      for (const label of used) expect([name, documented]).toEqual([name, expect.arrayContaining([label])]);
    }
  });
});

describe('strange requests', () => {
  /** Everything that a client can vary, each time anew. */
  async function sendStrangeRequests(): Promise<void> {
    const strange = randomBytes(12).toString('hex');
    const authorization = `Bearer ${daybook.tokens.operator}`;
    const send = (method: string, path: string, headers = {}) =>
      client.send({ method, path, headers: { authorization, ...headers } });
    for (const path of [
      `/${strange}`,
      `/api/v1/${strange}?${strange}=${strange}`,
      `/api/v1/orders/${strange}`,
      `/api/v1/orders/${strange}/status`,
      `/api/v1/orders/${'9'.repeat(600)}${strange}`,
      `/%zz${strange}`,
      `/docs/${strange}`,
      `//${strange}//`,
      `/api/v1/products/%22%7B%5C${strange}`,
    ]) {
      await send('GET', path);
      await send('HEAD', path);
      await send('DELETE', path);
    }
    // CONNECT asks for a tunnel, which Node itself refuses.
    for (const method of METHODS) if (method !== 'CONNECT') await send(method, `/api/v1/orders/${strange}`);
    const body = { orders: [{ lines: [{ sku: strange, quantity: 1 }], priority: strange }] };
    await daybook.api('POST', '/orders/bulk', { body, headers: { 'x-request-id': strange } });
  }

  it('make no series of their own: the second round finds those of the first', async () => {
    await families();
    await sendStrangeRequests();
    const first = await families();
    await sendStrangeRequests();
    const second = await families();
    expect([...seriesIn(second).keys()]).toEqual([...seriesIn(first).keys()]);
    const requests = second.find(({ name }) => name === 'daybook_http_request_duration_seconds');
    const methods = new Set(requests?.samples.map(({ labels }) => labels['method']));
    expect([...methods].sort()).toEqual([
      'DELETE',
      'GET',
      'HEAD',
      'OPTIONS',
      'PATCH',
      'POST',
      'PUT',
      'other',
    ]);
  });
});

describe('the reader that these tests trust', () => {
  const HEAD = '# HELP a Tells something.\n# TYPE a gauge\n';
  const HISTOGRAM = '# HELP a Tells something.\n# TYPE a histogram\n';

  it('reads what is right', () => {
    const text = `${HEAD}a{x="1",y="\\"}, {\\n\\\\"} -1.5e-7\na NaN\n\n${HISTOGRAM.replaceAll(' a ', ' b ')}b_bucket{le="+Inf"} 2\nb_sum 5\nb_count 2\n`;
    const [a, b] = readPrometheusText(text);
    expect(a?.samples).toEqual([
      {
        series: 'a{x="1",y="\\"}, {\\n\\\\"}',
        name: 'a',
        labels: { x: '1', y: '"}, {\n\\' },
        value: -1.5e-7,
      },
      { series: 'a', name: 'a', labels: {}, value: Number.NaN },
    ]);
    expect(b).toMatchObject({ name: 'b', type: 'histogram', samples: [{}, {}, {}] });
  });

  it.each([
    ['no end', `${HEAD}a 1`],
    ['no help', '# TYPE a gauge\na 1\n'],
    ['no type', '# HELP a Tells something.\na 1\n'],
    ['an unknown type', `${HEAD.replace('gauge', 'thing')}a 1\n`],
    ['a sample of another metric', `${HEAD}b 1\n`],
    ['a sample twice', `${HEAD}a{x="1"} 1\na{x="1"} 2\n`],
    ['a metric twice', `${HEAD}a 1\n${HEAD}a{x="1"} 1\n`],
    ['a label twice', `${HEAD}a{x="1",x="2"} 1\n`],
    ['a quote that is not escaped', `${HEAD}a{x="""} 1\n`],
    ['a value that is no number', `${HEAD}a one\n`],
    [
      'a histogram that shrinks',
      `${HISTOGRAM}a_bucket{le="1"} 3\na_bucket{le="+Inf"} 2\na_sum 5\na_count 2\n`,
    ],
    ['a histogram without an end', `${HISTOGRAM}a_bucket{le="1"} 2\na_sum 5\na_count 2\n`],
    ['a histogram that counts otherwise', `${HISTOGRAM}a_bucket{le="+Inf"} 2\na_sum 5\na_count 3\n`],
  ])('refuses a text with %s', (_, text) => {
    expect(() => readPrometheusText(text)).toThrow();
  });
});
