import type { MetricFamily } from '../support/prometheus-text.js';
import { type LabelMatcher, readPromql, type Selector } from '../support/promql.js';

/** What Prometheus adds to every series of a target, by deploy/prometheus/prometheus.yml. */
const OF_THE_TARGET = new Set(['job', 'instance', 'service']);
/** What Prometheus makes itself. */
const OF_PROMETHEUS = new Map([
  ['up', new Set<string>()],
  ['ALERTS', new Set(['alertname', 'alertstate', 'severity'])],
]);
/** Statuses of answers cannot all be brought about here. */
const FREE_LABELS = new Set(['status of daybook_http_request_duration_seconds']);
const OF_INCREASES = new Set(['rate', 'increase', 'irate']);

/** Everything about a query that does not fit to what a server tells of itself. */
export function queryProblems(query: string, families: readonly MetricFamily[]): string[] {
  const { selectors, groupings } = readPromql(query);
  const grouped = groupings.flatMap(({ labels, metrics }) =>
    labels
      .filter((label) => !metrics.some((metric) => labelsOf(metric, families).has(label)))
      .map((label) => `${metrics.join(', ')} has no label ${label} to group by`),
  );
  const groupLabels = groupings.flatMap(({ labels }) => labels);
  return [
    ...selectors.flatMap((selector) => seriesProblems(selector, families)),
    ...selectors.flatMap((selector) => kindProblems(selector, groupLabels, families)),
    ...grouped,
  ];
}

/** Likewise for the series that a test of the alerts makes up. */
export function madeUpProblems(series: string, families: readonly MetricFamily[]): string[] {
  return readPromql(series).selectors.flatMap((selector) => seriesProblems(selector, families));
}

/** The metrics that a query is about, without the suffixes that histograms add. */
export function metricsIn(query: string, families: readonly MetricFamily[]): string[] {
  return readPromql(query).selectors.flatMap(({ metric }) => familyOf(metric, families)?.name ?? []);
}

function familyOf(metric: string, families: readonly MetricFamily[]): MetricFamily | undefined {
  return families.find(
    ({ name, samples }) => name === metric || samples.some((sample) => sample.name === metric),
  );
}

function labelsOf(metric: string, families: readonly MetricFamily[]): Set<string> {
  const samples = familyOf(metric, families)?.samples.filter(({ name }) => name === metric) ?? [];
  const own = samples.flatMap(({ labels }) => Object.keys(labels));
  return new Set([...own, ...OF_THE_TARGET, ...(OF_PROMETHEUS.get(metric) ?? [])]);
}

function seriesProblems({ metric, matchers }: Selector, families: readonly MetricFamily[]): string[] {
  if (OF_PROMETHEUS.has(metric)) {
    return matchers
      .filter(({ label }) => !labelsOf(metric, families).has(label))
      .map(({ label }) => `${metric} has no label ${label}`);
  }
  const family = familyOf(metric, families);
  if (family === undefined) return [`there is no ${metric}`];
  const samples = family.samples.filter(({ name }) => name === metric);
  if (samples.length === 0) return [`${metric} has no series: it is a ${family.type}`];
  return matchers.flatMap((matcher) => {
    const values = samples.flatMap(({ labels }) => labels[matcher.label] ?? []);
    if (values.length === 0)
      return OF_THE_TARGET.has(matcher.label) ? [] : [`${metric} has no label ${matcher.label}`];
    if (FREE_LABELS.has(`${matcher.label} of ${family.name}`)) return [];
    const { label, operator, value } = matcher;
    return values.some((one) => isMatch(matcher, one))
      ? []
      : [`no ${metric} has ${label}${operator}"${value}"`];
  });
}

function isMatch({ operator, value }: LabelMatcher, actual: string): boolean {
  const isEqual = operator.endsWith('~') ? new RegExp(`^(?:${value})$`).test(actual) : actual === value;
  return operator.startsWith('!') ? !isEqual : isEqual;
}

/** What only grows is asked for its rate, what goes up and down is not. */
function kindProblems(
  { metric, functions }: Selector,
  groupLabels: readonly string[],
  families: readonly MetricFamily[],
): string[] {
  const family = familyOf(metric, families);
  if (family === undefined) return [];
  const grows = family.type === 'counter' || family.type === 'histogram';
  const asksForRate = OF_INCREASES.has(functions[0] ?? '');
  const isBucket = family.type === 'histogram' && metric.endsWith('_bucket');
  const asksForQuantile = functions.includes('histogram_quantile');
  return [
    ...(grows && !asksForRate ? [`${metric} only grows: ask for its rate`] : []),
    ...(!grows && asksForRate ? [`${metric} is a ${family.type}: it has no rate`] : []),
    ...(isBucket === asksForQuantile ? [] : [`a quantile is made of the buckets of a histogram: ${metric}`]),
    ...(isBucket && !groupLabels.includes('le') ? [`without le there is no quantile of ${metric}`] : []),
  ];
}
