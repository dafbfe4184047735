import { logScale } from './log-lines.ts';
import { frame, legend, line, MARGIN, text, WIDTH, type Heading } from './frame.ts';

export interface Dots extends Heading {
  xIs: string;
  /** Up to three. */
  series: string[];
  rows: { label: string; values: (number | undefined)[] }[];
  limit: { label: string; value: number };
}

const LABEL_WIDTH = 290;
const ROW_HEIGHT = 16;

/** A row for each name, with a dot for each series, on a scale where a step is ten times as much. */
export function dots(chart: Dots): string {
  const top = MARGIN.top + 44;
  const bottom = top + chart.rows.length * ROW_HEIGHT;
  const values = chart.rows.flatMap((row) => row.values.filter((value) => value !== undefined));
  const x = logScale([...values, chart.limit.value], LABEL_WIDTH, WIDTH - MARGIN.right);
  return frame(chart, bottom + MARGIN.bottom, [
    ...legend(chart.series),
    ...x.steps.flatMap((step) => [
      line(x.at(step), top - 6, x.at(step), bottom, 'rule'),
      text(x.at(step), bottom + 16, step.toLocaleString('en-US'), 'middle small'),
    ]),
    text((LABEL_WIDTH + WIDTH) / 2, bottom + 32, chart.xIs, 'middle quiet'),
    line(x.at(chart.limit.value), top - 6, x.at(chart.limit.value), bottom, 'mark'),
    text(x.at(chart.limit.value), top - 12, chart.limit.label, 'middle small strong'),
    ...chart.rows.flatMap(({ label, values: figures }, row) => {
      const y = top + (row + 0.5) * ROW_HEIGHT;
      return [
        text(LABEL_WIDTH - 12, y + 4, label, 'end small'),
        ...figures.flatMap((value, index) =>
          value === undefined
            ? []
            : `<circle class="fill${index}" cx="${x.at(value).toFixed(1)}" cy="${y}" r="4"/>`,
        ),
      ];
    }),
  ]);
}
