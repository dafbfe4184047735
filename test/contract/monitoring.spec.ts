import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { projectRoot } from '@daybook/platform';
import { parse } from 'yaml';

import { request, startTestApp, type TestApp, TEST_SECRET, withTestApp } from '../support/app.js';
import { type OwnVenue, startVenue } from '../support/exchange-simulator.js';
import { storyOf, placeOrder } from '../support/order-desk.js';
import { type MetricFamily, readPrometheusText, seriesIn } from '../support/prometheus-text.js';
import { readPromql } from '../support/promql.js';
import { runNamedJob } from '../support/run-named-job.js';
import { waitFor } from '../support/wait-for.js';
import { madeUpProblems, metricsIn, queryProblems } from './query-problems.js';

interface Panel {
  id: number;
  type: string;
  title: string;
  description?: string;
  datasource?: { uid: string };
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: { expr: string; datasource: { uid: string } }[];
  fieldConfig?: { defaults: { unit?: string } };
}
interface Dashboard {
  panels: Panel[];
  templating: { list: { name: string; query: { query: string } }[] };
}
interface Alert {
  alert: string;
  expr: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}
interface AlertTest {
  name: string;
  input_series: { series: string }[];
  promql_expr_test: { expr: string; exp_samples: { labels: string }[] }[];
}

const read = (file: string) => readFile(join(projectRoot(), file), 'utf8');
const readYaml = async <T>(file: string) => parse(await read(file), { merge: true }) as T;

const dashboard = JSON.parse(await read('deploy/grafana/dashboards/daybook.json')) as Dashboard;
const operations = await read('docs/operations.md');
const alertsFile = await readYaml<{ groups: { rules: Alert[] }[] }>('deploy/prometheus/alerts.yml');
const alerts = alertsFile.groups.flatMap(({ rules }) => rules);
const { tests } = await readYaml<{ tests: AlertTest[] }>('deploy/prometheus/alerts.test.yml');
const prometheus = await readYaml<{
  rule_files: string[];
  scrape_configs: {
    honor_labels: boolean;
    authorization: { credentials_file: string };
    dns_sd_configs: { names: string[]; port: number }[];
  }[];
}>('deploy/prometheus/prometheus.yml');
const compose = await readYaml<{
  services: Record<string, { command?: string[]; environment?: Record<string, string>; volumes?: string[] }>;
}>('docker-compose.yml');

/** A query as Grafana sends it: its own variables and functions put in. */
const filledIn = (query: string) =>
  query
    .replaceAll('$__rate_interval', '1m')
    .replaceAll('$instance', '.*')
    .replace(/^label_values\((.*), \w+\)$/, '$1');

const shown = dashboard.panels.flatMap(({ title, targets }) =>
  (targets ?? []).map(({ expr }) => [title, filledIn(expr)] as const),
);

let venue: OwnVenue;
let daybook: TestApp;
let families: MetricFamily[];

const LAST_TO_COME = [
  'daybook_attempt_duration_seconds_count{',
  'daybook_exchange_request_duration_seconds_count{request="place"',
  'nodejs_gc_duration_seconds_count{kind="major"',
  'daybook_http_request_duration_seconds_count{method="POST",route="/api/v1/orders"',
  'daybook_http_request_duration_seconds_count{method="GET",route="/api/v1/orders/:id"',
  'daybook_http_request_duration_seconds_count{method="GET",route="/health/ready"',
];

const EXCHANGE_ORDER = { instrument: 'US0378331005', side: 'buy', type: 'market', quantity: 100 };

/** A little of everything, so that there are series of everything. */
async function keepBusy(): Promise<void> {
  const sku = await daybook.createProduct('TEA', 100);
  const body = { lines: [{ sku, quantity: 1 }] };
  await daybook.api('POST', '/reservations', { body });
  const id = await placeOrder(daybook, sku, { priority: 'high', processingTimeMs: 1 });
  await waitFor('the order to be worked off', async () => (await storyOf(daybook, id)).includes('confirmed'));
  await daybook.api('GET', `/orders/${id}`);
  await daybook.api('POST', '/exchange/orders', { body: EXCHANGE_ORDER });
  await request(daybook.origin, 'GET', '/health/ready');
  await runNamedJob(daybook, 'reconcile-stock');
  // The collector is timed when it has something to do, and a test is short.
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

const readFamilies = async () => readPrometheusText((await request(daybook.origin, 'GET', '/metrics')).text);

beforeAll(async () => {
  venue = await startVenue();
  daybook = await startTestApp({
    DAYBOOK_ROLES: 'api,worker,scheduler,receiver,consumer',
    EXCHANGE_URL: venue.url,
    LOG_LEVEL: 'fatal',
  });
  await keepBusy();
  // Some is counted a moment after the answer.
  families = await waitFor('metrics of everything', async () => {
    const found = await readFamilies();
    const series = [...seriesIn(found).keys()];
    return LAST_TO_COME.every((start) => series.some((one) => one.startsWith(start))) && found;
  });
});
afterAll(async () => {
  await daybook.stop();
  await venue.stop();
});

describe('the dashboard', () => {
  it('asks only for what Daybook tells, and as it is meant', () => {
    const problems = shown.map(([title, query]) => [title, queryProblems(query, families)]);
    expect(problems).toEqual(shown.map(([title]) => [title, []]));
    const ofVariables = dashboard.templating.list.map(({ query }) => filledIn(query.query));
    expect(ofVariables.flatMap((query) => queryProblems(query, families))).toEqual([]);
  });

  it('shows every metric of ours that docs/operations.md describes', () => {
    const described = [...operations.matchAll(/^\| `(daybook_\w+)` \|/gm)].map(([, name]) => name);
    const used = new Set(shown.flatMap(([, query]) => metricsIn(query, families)));
    expect(described.length).toBeGreaterThan(20);
    expect(described.filter((name) => name !== undefined && !used.has(name))).toEqual([]);
  });

  it('says of every panel what it tells, and in what unit', () => {
    for (const { type, title, description, targets, fieldConfig } of dashboard.panels) {
      if (type === 'row') continue;
      expect([title, description]).toEqual([title, expect.stringMatching(/^[A-Z0-9].{15,}\.$/)]);
      expect([title, fieldConfig?.defaults.unit]).toEqual([title, expect.any(String)]);
      expect([title, targets?.length]).not.toEqual([title, 0]);
    }
  });

  it('lays its panels out side by side, none on another and none beside the grid', () => {
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)},${y + Math.floor(cell / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(dashboard.panels.every(({ gridPos: { x, w } }) => x + w <= 24)).toBe(true);
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
  });

  it('asks the Prometheus that Grafana is given', async () => {
    const { datasources } = await readYaml<{ datasources: { uid: string; url: string }[] }>(
      'deploy/grafana/provisioning/datasources/prometheus.yml',
    );
    const asked = dashboard.panels.flatMap(({ datasource, targets }) => [
      ...(datasource === undefined ? [] : [datasource.uid]),
      ...(targets ?? []).map((target) => target.datasource.uid),
    ]);
    expect(new Set(asked)).toEqual(new Set(datasources.map(({ uid }) => uid)));
    expect(datasources.map(({ url }) => url)).toEqual(['http://prometheus:9090']);
  });

  it('lies where Grafana looks for it', async () => {
    const { providers } = await readYaml<{ providers: { options: { path: string } }[] }>(
      'deploy/grafana/provisioning/dashboards/daybook.yml',
    );
    const { volumes, environment } = compose.services['grafana'] ?? {};
    const path = providers[0]?.options.path ?? '';
    expect(volumes).toContain(`./deploy/grafana/dashboards:${path}:ro`);
    expect(environment?.['GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH']).toBe(`${path}/daybook.json`);
  });
});

describe('the alerts', () => {
  it('ask only for what Daybook tells, and as it is meant', () => {
    const problems = alerts.map(({ alert, expr }) => [alert, queryProblems(expr, families)]);
    expect(problems).toEqual(alerts.map(({ alert }) => [alert, []]));
  });

  it('say how grave they are, what is wrong, what to do and where that is written', () => {
    for (const { alert, labels, annotations } of alerts) {
      expect([alert, labels['severity']]).toEqual([alert, expect.stringMatching(/^(critical|warning)$/)]);
      expect([alert, annotations]).toEqual([
        alert,
        {
          summary: expect.stringMatching(/\.$/),
          description: expect.stringMatching(/^.{15,}\.$/),
          runbook: `docs/operations.md#${alert.toLowerCase()}`,
        },
      ]);
    }
  });

  it('are all explained in docs/operations.md, which explains no others', () => {
    const explained = [...operations.matchAll(/^#### (Daybook\w+)$/gm)].map(([, name]) => name);
    expect(explained).toEqual(alerts.map(({ alert }) => alert));
  });

  it('name only labels in their texts that they keep', () => {
    for (const { alert, expr, annotations } of alerts) {
      const named = [
        ...Object.values(annotations)
          .join()
          .matchAll(/\$labels\.(\w+)/g),
      ].map(([, name]) => name);
      const { groupings, selectors } = readPromql(expr);
      const kept = groupings.flatMap(({ labels }) => labels);
      const isAggregated = selectors.some(({ functions }) =>
        functions.some((name) => ['sum', 'max', 'absent'].includes(name)),
      );
      const known = isAggregated ? kept : ['instance', 'command', 'pool'];
      expect([alert, known]).toEqual([alert, expect.arrayContaining(named)]);
    }
  });

  it('have tests that make up only series as Daybook has them', () => {
    const madeUp = tests.flatMap(({ input_series: series }) => series.map((one) => one.series));
    expect(madeUp.flatMap((series) => madeUpProblems(series, families))).toEqual([]);
    const asked = tests.flatMap((test) => test.promql_expr_test.map(({ expr }) => expr));
    expect(asked.flatMap((query) => queryProblems(query, families))).toEqual([]);
  });

  it('are all seen to fire by their tests', () => {
    const fired = tests.flatMap((test) => test.promql_expr_test.flatMap((one) => one.exp_samples));
    const names = fired.map(({ labels }) => /alertname="(\w+)"/.exec(labels)?.[1]);
    expect(new Set(names)).toEqual(new Set(alerts.map(({ alert }) => alert)));
  });
});

describe('the rules for queries', () => {
  it.each([
    ['there is no', 'daybook_orders_placed'],
    ['there is no', 'sum(rate(daybook_orders_lost_total[5m]))'],
    ['has no label', 'daybook_queue_length{status="pending"}'],
    ['has no label', 'up{priority="high"}'],
    ['to group by', 'sum by (outcome) (rate(daybook_orders_placed_total[5m]))'],
    ['to group by', 'daybook_queue_dead > on (priority) daybook_queue_paused'],
    ['no daybook_orders has', 'daybook_orders{status="lost"}'],
    ['no daybook_orders has', 'daybook_orders{status=~"lost|found"}'],
    ['it is a histogram', 'daybook_attempt_duration_seconds'],
    ['only grows', 'daybook_orders_placed_total'],
    ['only grows', 'sum(daybook_attempt_duration_seconds_count)'],
    ['has no rate', 'rate(daybook_queue_length[5m])'],
    ['has no rate', 'max(increase(daybook_job_runs[1h]))'],
    [
      'a quantile is made',
      'histogram_quantile(0.9, sum by (le) (rate(daybook_attempt_duration_seconds_sum[5m])))',
    ],
    ['a quantile is made', 'sum by (le) (rate(daybook_attempt_duration_seconds_bucket[5m]))'],
    [
      'without le',
      'histogram_quantile(0.9, sum by (outcome) (rate(daybook_attempt_duration_seconds_bucket[5m])))',
    ],
  ])('object because %s: %s', (complaint, query) => {
    expect(queryProblems(query, families).join('\n')).toContain(complaint);
  });

  it('refuse what is no query', () => {
    expect(() => queryProblems('sum(up', families)).toThrow('This is no PromQL');
  });
});

describe('Prometheus', () => {
  it('reads every service that runs Daybook, where it listens, with its own label job', () => {
    const [scrape] = prometheus.scrape_configs;
    const ours = Object.entries(compose.services).filter(
      ([, { environment }]) => environment?.['DAYBOOK_ROLES'],
    );
    expect(scrape?.honor_labels).toBe(true);
    expect(scrape?.dns_sd_configs[0]?.names).toEqual(ours.map(([name]) => name));
    for (const [, { environment }] of ours)
      expect(environment?.['PORT']).toBe(String(scrape?.dns_sd_configs[0]?.port));
  });

  it('finds its rules, and the token where it is kept', () => {
    const { 'metrics-token': keeper, prometheus: reader } = compose.services;
    const file = prometheus.scrape_configs[0]?.authorization.credentials_file;
    expect(prometheus.rule_files).toEqual(['alerts.yml']);
    expect(keeper?.command?.at(-1)).toBe(file);
    expect(reader?.command).toContain('--config.file=/etc/prometheus/prometheus.yml');
    expect(reader?.volumes).toContain('./deploy/prometheus:/etc/prometheus:ro');
  });

  it('reads the metrics of a server that is open to others with the token that is kept for it', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'daybook-token-'));
    const file = join(directory, 'token');
    const keeper = spawn(process.execPath, [join(projectRoot(), 'deploy/keep-metrics-token.mjs'), file], {
      env: { AUTH_JWT_SECRET: TEST_SECRET },
      stdio: 'ignore',
    });
    const ended = once(keeper, 'exit');
    try {
      const token = await waitFor('the token', () => readFile(file, 'utf8').catch(() => undefined));
      expect((await stat(file)).mode & 0o777).toBe(0o600);
      await withTestApp({ HOST: '0.0.0.0', DAYBOOK_ROLES: 'worker' }, async ({ origin }) => {
        expect((await request(origin, 'GET', '/metrics')).status).toBe(401);
        expect((await request(origin, 'GET', '/metrics', { token })).status).toBe(200);
      });
    } finally {
      keeper.kill('SIGTERM');
      expect(await ended).toEqual([0, null]);
      await rm(directory, { recursive: true });
    }
  });
});
