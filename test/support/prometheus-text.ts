/** A metric with all its samples, as Prometheus reads them. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly samples: readonly MetricSample[];
}

export interface MetricSample {
  /** The name and the labels as they are written: no two samples have the same one. */
  readonly series: string;
  /** With the suffix that histograms and summaries add. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const LABEL = String.raw`[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"`;
const HEADER = new RegExp(`^# HELP (${NAME}) (\\S.*)\n# TYPE \\1 (counter|gauge|histogram|summary)\n`);
const SAMPLE = new RegExp(`^((${NAME})(?:\\{((?:${LABEL})(?:,${LABEL})*)\\})?) (\\S+)$`);
const VALUE = /^(?:[+-]?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Inf)|NaN)$/i;
const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  histogram: ['_bucket', '_sum', '_count'],
  summary: ['', '_sum', '_count'],
};

/**
 * Reads the text format 0.0.4 as strictly as its description is: a family begins with its help and its type and stands
 * together, nothing is told twice, and a histogram adds up.
 * @throws {Error} with the line that is wrong
 */
export function readPrometheusText(text: string): MetricFamily[] {
  if (!text.endsWith('\n')) throw new Error('The last line has no end');
  const families = text
    .split(/^(?=# HELP )/m)
    .filter((part) => part.trim() !== '')
    .map(readFamily);
  expectDistinct(families.map(({ name }) => name));
  expectDistinct(families.flatMap(({ samples }) => samples.map(({ series }) => series)));
  for (const family of families) if (family.type === 'histogram') expectHistogram(family);
  return families;
}

/** The value of every series. */
export function seriesIn(families: readonly MetricFamily[]): Map<string, number> {
  return new Map(families.flatMap(({ samples }) => samples.map(({ series, value }) => [series, value])));
}

function readFamily(text: string): MetricFamily {
  const [header, name, help, type] = HEADER.exec(text) ?? [];
  if (name === undefined || help === undefined || type === undefined)
    throw new Error(`This is no beginning of a metric: ${text}`);
  const names = (SUFFIXES[type] ?? ['']).map((suffix) => name + suffix);
  const lines = text.slice(header?.length).split('\n');
  const samples = lines.filter((line) => line !== '').map(readSample);
  const foreign = samples.find((sample) => !names.includes(sample.name));
  if (foreign !== undefined) throw new Error(`${foreign.series} stands below ${name}`);
  return { name, help, type, samples };
}

function readSample(line: string): MetricSample {
  const [, series, name, labels = '', value = ''] = SAMPLE.exec(line) ?? [];
  if (series === undefined || name === undefined || !VALUE.test(value))
    throw new Error(`This is no sample: ${line}`);
  const pairs = (labels.match(new RegExp(LABEL, 'g')) ?? []).map((label) => {
    const [key = '', quoted = ''] = label.split(/=(.*)/s);
    return [key, JSON.parse(quoted) as string] as const;
  });
  expectDistinct(pairs.map(([key]) => key));
  return {
    series,
    name,
    labels: Object.fromEntries(pairs),
    value: Number(value.replace(/inf$/i, 'Infinity')),
  };
}

/** For every set of labels: buckets that only grow, the last one without a bound, and as many as are counted. */
function expectHistogram({ name, samples }: MetricFamily): void {
  const sets = Map.groupBy(samples, ({ labels: { le: _, ...labels } }) => JSON.stringify(labels));
  for (const [labels, set] of sets) {
    const buckets = set.filter((sample) => sample.name === `${name}_bucket`);
    const isGrowing = buckets.every(({ value }, index) => value >= (buckets[index - 1]?.value ?? 0));
    const count = set.find((sample) => sample.name === `${name}_count`);
    const last = buckets.at(-1);
    if (!isGrowing || last?.labels['le'] !== '+Inf' || last.value !== count?.value)
      throw new Error(`The histogram ${name} ${labels} does not add up`);
  }
}

function expectDistinct(names: readonly string[]): void {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new Error(`${twice} is there twice`);
}
