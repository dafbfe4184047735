import { frame, line, MARGIN, scale, text, whole, WIDTH, type Heading } from './frame.ts';

export interface Curve extends Heading {
  xIs: string;
  yIs: string;
  points: (readonly [x: number, y: number])[];
  /** What must not be passed. */
  limit: { label: string; value: number };
}

const PLOT_HEIGHT = 300;

/** One line over time or count, under its limit. */
export function curve(chart: Curve): string {
  const left = MARGIN.left;
  const right = WIDTH - MARGIN.right;
  const top = MARGIN.top + 16;
  const bottom = top + PLOT_HEIGHT;
  const stepsX = scale(Math.max(...chart.points.map(([x]) => x)));
  const stepsY = scale(Math.max(chart.limit.value, ...chart.points.map(([, y]) => y)) * 1.05);
  const x = (value: number): number => left + (value / (stepsX.at(-1) ?? 1)) * (right - left);
  const y = (value: number): number => bottom - (value / (stepsY.at(-1) ?? 1)) * PLOT_HEIGHT;
  const path = chart.points.map(([atX, atY], index) => {
    return `${index === 0 ? 'M' : 'L'}${x(atX).toFixed(1)} ${y(atY).toFixed(1)}`;
  });
  const last = chart.points.at(-1) ?? [0, 0];
  return frame(chart, bottom + MARGIN.bottom + 10, [
    text(left, MARGIN.top, chart.yIs, 'quiet small'),
    ...stepsY.flatMap((step) => [
      line(left, y(step), right, y(step), step === 0 ? 'axis' : 'rule'),
      text(left - 8, y(step) + 4, whole(step), 'end quiet small'),
    ]),
    ...stepsX.map((step) => text(x(step), bottom + 18, whole(step), 'middle small')),
    text((left + right) / 2, bottom + 36, chart.xIs, 'middle quiet'),
    line(left, y(chart.limit.value), right, y(chart.limit.value), 'mark'),
    text(
      left + 6,
      y(chart.limit.value) - 6,
      `${chart.limit.label}: ${whole(chart.limit.value)}`,
      'small strong',
    ),
    `<path class="line0" d="${path.join('')}"/>`,
    text(x(last[0]) - 4, y(last[1]) - 10, whole(last[1]), 'end strong'),
  ]);
}
