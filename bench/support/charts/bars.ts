import { bar, frame, legend, line, MARGIN, scale, text, whole, WIDTH, type Heading } from './frame.ts';

export interface GroupedBars extends Heading {
  /** What the groups are: "connections". */
  groupsAre: string;
  groups: string[];
  /** Up to three, one bar each in every group; the first is drawn strongest. */
  series: { label: string; values: number[] }[];
  /** Horizontal marks for figures that belong to no group. */
  marks: { label: string; value: number }[];
}

const PLOT_HEIGHT = 300;

/** Groups of upright bars, each with its value on it. */
export function groupedBars(chart: GroupedBars): string {
  const left = MARGIN.left;
  const right = WIDTH - MARGIN.right;
  const top = MARGIN.top + 32;
  const bottom = top + PLOT_HEIGHT;
  const values = [
    ...chart.series.flatMap((series) => series.values),
    ...chart.marks.map((mark) => mark.value),
  ];
  const steps = scale(Math.max(1, ...values) * 1.05);
  const y = (value: number): number => bottom - (value / (steps.at(-1) ?? 1)) * PLOT_HEIGHT;
  const groupWidth = (right - left) / chart.groups.length;
  const barWidth = Math.min(46, (groupWidth * 0.84) / chart.series.length);

  const drawn = [
    ...legend(chart.series.map(({ label }) => label)),
    ...steps.flatMap((step) => [
      line(left, y(step), right, y(step), step === 0 ? 'axis' : 'rule'),
      text(left - 8, y(step) + 4, whole(step), 'end quiet small'),
    ]),
  ];
  chart.groups.forEach((group, index) => {
    const middle = left + groupWidth * (index + 0.5);
    drawn.push(text(middle, bottom + 18, group, 'middle'));
    chart.series.forEach(({ values: heights }, place) => {
      const value = heights[index];
      if (value === undefined || !Number.isFinite(value)) return;
      const x = middle + (place - chart.series.length / 2) * barWidth;
      drawn.push(bar(x + 1, y(value), barWidth - 2, bottom - y(value), `fill${place}`));
      drawn.push(
        text(
          x + barWidth / 2,
          y(value) - 5,
          whole(value),
          `middle small halo ${place === 0 ? 'strong' : ''}`,
        ),
      );
    });
  });
  drawn.push(text((left + right) / 2, bottom + 36, chart.groupsAre, 'middle quiet'));
  for (const { label, value } of chart.marks) {
    drawn.push(line(left, y(value), right, y(value), 'mark'));
    drawn.push(text(left + 6, y(value) - 6, `${label}: ${whole(value)}`, 'small strong halo'));
  }
  return frame(chart, bottom + MARGIN.bottom + 10, drawn);
}

export interface RankedBars extends Heading {
  bars: { label: string; value: number; note: string; strong: boolean }[];
}

const LABEL_WIDTH = 244;
const ROW_HEIGHT = 34;
/** Of a figure in bold. */
const DIGIT_WIDTH = 9.7;

/** Lying bars, one a row, for names too long to stand under an upright one. */
export function rankedBars(chart: RankedBars): string {
  const most = Math.max(1, ...chart.bars.map(({ value }) => value));
  const widest = WIDTH - LABEL_WIDTH - 310;
  const drawn = chart.bars.flatMap(({ label, value, note, strong }, row) => {
    const top = MARGIN.top + 6 + row * ROW_HEIGHT;
    const width = (value / most) * widest;
    return [
      text(LABEL_WIDTH - 12, top + 16, label, `end ${strong ? 'strong' : ''}`),
      bar(LABEL_WIDTH, top, width, ROW_HEIGHT - 12, strong ? 'fill0' : 'fill2'),
      text(LABEL_WIDTH + width + 8, top + 16, whole(value), 'strong'),
      text(LABEL_WIDTH + width + 8 + whole(value).length * DIGIT_WIDTH, top + 16, note, 'quiet small'),
    ];
  });
  return frame(chart, MARGIN.top + chart.bars.length * ROW_HEIGHT + 40, drawn);
}
