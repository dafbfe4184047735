import type { Stretch } from '../execution-bus.js';
import type { ExecutionReport } from '../execution-report.js';

/** What comes next of a part. */
export type NextBatch =
  | 'nothing'
  /** There is something, but not what comes next. */
  | 'gap'
  | { readonly after: number; readonly through: number; readonly reports: readonly ExecutionReport[] };

/**
 * Joins what was taken from the bus into one batch that begins where the part is applied. Reports that are applied are left out;
 * what does not join any more is left for later.
 * @param most cut behind so many reports
 */
export function nextBatch(applied: number, stretches: readonly Stretch[], most = Infinity): NextBatch {
  if (stretches.length === 0) return 'nothing';
  let through = applied;
  const reports: ExecutionReport[] = [];
  for (const stretch of stretches) {
    if (stretch.after > through) break;
    for (const report of stretch.reports) if (report.sequence > through) reports.push(report);
    through = Math.max(through, stretch.through);
  }
  if (through === applied) return stretches.every((one) => one.through <= applied) ? 'nothing' : 'gap';
  const last = reports[most - 1];
  if (last === undefined || reports.length <= most) return { after: applied, through, reports };
  return { after: applied, through: last.sequence, reports: reports.slice(0, most) };
}
