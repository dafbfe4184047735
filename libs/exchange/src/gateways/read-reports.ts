import type { ExecutionReport } from '../execution-report.js';
import { oneLine } from './venue-text.js';

/** What came over the stream is not what the protocol says. */
export class MalformedReports extends Error {
  constructor(flaw: string) {
    super(`The venue sent execution reports that cannot be read: ${flaw}`);
  }
}

/** Visible ASCII: nothing that a database would refuse or a log would garble. */
const NAME = /^[\x21-\x7e]{1,128}$/;

/**
 * The reports in one frame. Only what names a report is checked, because without that nothing can be done about it; whoever
 * applies a report judges what it says, so that one that is wrong does not keep back those behind it.
 * @throws {MalformedReports}
 */
export function readReports(frame: string): ExecutionReport[] {
  const reports = parse(frame);
  if (!Array.isArray(reports)) throw new MalformedReports('a frame is not a list');
  return reports.map(readReport);
}

function readReport(value: unknown): ExecutionReport {
  if (typeof value !== 'object' || value === null) throw new MalformedReports('a report is not an object');
  const { sequence, execId, orderRef, type, quantity, priceCents, executedAt, reason } =
    value as ExecutionReport;
  if (!Number.isSafeInteger(sequence) || sequence < 1)
    throw new MalformedReports(`a sequence number is ${excerpt(sequence)}`);
  if (typeof execId !== 'string' || !NAME.test(execId))
    throw new MalformedReports(`the ExecID of report ${sequence} is ${excerpt(execId)}`);
  if (typeof orderRef !== 'string' || !NAME.test(orderRef))
    throw new MalformedReports(`the ClOrdID of report ${sequence} is ${excerpt(orderRef)}`);
  const words = typeof reason === 'string' ? oneLine(reason) : undefined;
  return { sequence, execId, orderRef, type, quantity, priceCents, executedAt, reason: words };
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
