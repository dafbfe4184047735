import { frame, legend, line, MARGIN, text, WIDTH, type Heading } from './frame.ts';

export interface LogLines extends Heading {
  xIs: string;
  yIs: string;
  /** Up to three; the first is drawn strongest. */
  series: { label: string; points: (readonly [x: number, y: number])[] }[];
}

const PLOT_HEIGHT = 300;

/** Lines between quantities of very different sizes: a step along either axis is ten times as much. */
export function logLines(chart: LogLines): string {
  const points = chart.series.flatMap((series) => series.points);
  const top = MARGIN.top + 48;
  const bottom = top + PLOT_HEIGHT;
  const x = logScale(
    points.map(([each]) => each),
    MARGIN.left,
    WIDTH - MARGIN.right - 40,
  );
  const y = logScale(
    points.map(([, each]) => each),
    bottom,
    top,
  );
  return frame(chart, bottom + MARGIN.bottom + 10, [
    ...legend(chart.series.map(({ label }) => label)),
    text(MARGIN.left, top - 12, chart.yIs, 'quiet small'),
    ...y.steps.flatMap((step) => [
      line(MARGIN.left, y.at(step), WIDTH - MARGIN.right, y.at(step), 'rule'),
      text(MARGIN.left - 8, y.at(step) + 4, step.toLocaleString('en-US'), 'end quiet small'),
    ]),
    ...x.steps.map((step) => text(x.at(step), bottom + 18, step.toLocaleString('en-US'), 'middle small')),
    text(WIDTH / 2, bottom + 36, chart.xIs, 'middle quiet'),
    ...chart.series.flatMap((series, index) => [
      `<path class="line${index}" d="${path(series.points.map(([atX, atY]) => [x.at(atX), y.at(atY)]))}"/>`,
      ...series.points.map(([atX, atY]) =>
        text(x.at(atX), y.at(atY) - 8, short(atY), `middle small halo ${index === 0 ? 'strong' : ''}`),
      ),
    ]),
  ]);
}

function path(points: (readonly [x: number, y: number])[]): string {
  return points.map(([x, y], index) => `${index === 0 ? 'M' : 'L'}${x.toFixed(1)} ${y.toFixed(1)}`).join('');
}

/** From the power of ten below the least to the one above the most. */
export function logScale(
  values: number[],
  from: number,
  to: number,
): { at: (value: number) => number; steps: number[] } {
  const first = Math.floor(Math.log10(Math.min(...values)));
  const last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(...values))));
  return {
    at: (value) => from + ((Math.log10(value) - first) / (last - first)) * (to - from),
    steps: Array.from({ length: last - first + 1 }, (_, index) => 10 ** (first + index)),
  };
}

function short(value: number): string {
  return value >= 10 ? Math.round(value).toLocaleString('en-US') : value.toFixed(1);
}
