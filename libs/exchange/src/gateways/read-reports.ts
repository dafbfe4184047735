import type { ExecutionReport } from '../execution-report.js';
import { oneLine } from './venue-text.js';

/** What came over the stream is not what the protocol says. */
export class MalformedReports extends Error {
  constructor(flaw: string) {
    super(`The venue sent execution reports that cannot be read: ${flaw}`);
  }
}

/** No name and no word of a report is as long; what is longer is wrong however it goes on. */
const LONGEST = 300;
/** Stands for a value that is none, and is none itself: it has spaces, and is no number. */
const NO_VALUE = '(not a value)';

/**
 * The reports in one frame. Only the sequence number is checked, because without it nothing can be done about a report; whoever
 * applies it judges what it says, so that one that is wrong does not keep back those behind it. So nothing else is certain to be what
 * its type says: it may be missing, or another short value.
 * @throws {MalformedReports}
 */
export function readReports(frame: string): ExecutionReport[] {
  const reports = parse(frame);
  if (!Array.isArray(reports)) throw new MalformedReports('a frame is not a list');
  return reports.map(readReport);
}

function readReport(value: unknown): ExecutionReport {
  if (typeof value !== 'object' || value === null) throw new MalformedReports('a report is not an object');
  const report = value as Readonly<Record<string, unknown>>;
  const { sequence, reason } = report;
  if (!Number.isSafeInteger(sequence) || (sequence as number) < 1)
    throw new MalformedReports(`a sequence number is ${excerpt(sequence)}`);
  const claimed = {
    sequence,
    execId: short(report['execId']),
    orderRef: short(report['orderRef']),
    type: short(report['type']),
    quantity: short(report['quantity']),
    priceCents: short(report['priceCents']),
    executedAt: short(report['executedAt']),
    reason: typeof reason === 'string' ? oneLine(reason) : undefined,
  };
  return claimed as ExecutionReport;
}

/** What any bus can carry. */
function short(value: unknown): unknown {
  if (typeof value === 'string') return value.slice(0, LONGEST);
  return typeof value === 'object' && value !== null ? NO_VALUE : value;
}

function excerpt(value: unknown): string {
  return value === undefined ? 'missing' : oneLine(JSON.stringify(value)).slice(0, 50);
}

function parse(frame: string): unknown {
  try {
    return JSON.parse(frame);
  } catch (error) {
    if (error instanceof SyntaxError) throw new MalformedReports('a frame is not JSON');
    throw error;
  }
}
