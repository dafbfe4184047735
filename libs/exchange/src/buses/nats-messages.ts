import { headers, type MsgHdrs } from '@nats-io/transport-node';

import type { ExecutionReport } from '../execution-report.js';
import type { Stretch } from '../execution-bus.js';

/** What stands at the head of a stretch on the bus. */
export interface StretchHead {
  readonly after: number;
  readonly through: number;
  /** From here up to this stretch there was no hole when it was published. */
  readonly since: number;
}

/** Where a stretch, or a part of one, lies on the bus, and what it is. */
export interface StretchMessage extends StretchHead {
  readonly reports: readonly ExecutionReport[];
}

const HEADERS = { after: 'Daybook-After', through: 'Daybook-Through', since: 'Daybook-Since' } as const;

/** More of them are carried by several messages, so that each is far below what a server takes (1 MB unless it is told otherwise). */
const REPORTS_PER_MESSAGE = 1_000;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What of a stretch goes beyond a place that the bus has already, in pieces that a message can hold. */
export function* piecesBeyond(stretch: Stretch, reached: number): Generator<Omit<StretchMessage, 'since'>> {
  const reports = stretch.reports.filter(({ sequence }) => sequence > reached);
  let after = reached;
  for (let first = 0; first + REPORTS_PER_MESSAGE < reports.length; first += REPORTS_PER_MESSAGE) {
    const piece = reports.slice(first, first + REPORTS_PER_MESSAGE);
    const through = piece.at(-1)?.sequence ?? after;
    yield { after, through, reports: piece };
    after = through;
  }
  yield { after, through: stretch.through, reports: reports.filter(({ sequence }) => sequence > after) };
}

export function writeHead(head: StretchHead): MsgHdrs {
  const written = headers();
  for (const name of ['after', 'through', 'since'] as const) written.set(HEADERS[name], String(head[name]));
  return written;
}

/** @throws when the message is none of ours */
export function readHead(written: MsgHdrs | undefined): StretchHead {
  const read = (name: keyof typeof HEADERS) => {
    const value = Number(written?.get(HEADERS[name]) || undefined);
    if (!Number.isSafeInteger(value)) throw new Error(`A message on the bus has no ${HEADERS[name]}`);
    return value;
  };
  return { after: read('after'), through: read('through'), since: read('since') };
}

export function writeReports(reports: readonly ExecutionReport[]): Uint8Array {
  return encoder.encode(JSON.stringify(reports));
}

export function readReports(body: Uint8Array): ExecutionReport[] {
  return JSON.parse(decoder.decode(body)) as ExecutionReport[];
}
