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

/** A stretch, or a piece of one, as it is sent. */
export interface StretchPiece {
  readonly after: number;
  readonly through: number;
  readonly body: Uint8Array;
}

const HEADERS = { after: 'Daybook-After', through: 'Daybook-Through', since: 'Daybook-Since' } as const;

/** What is more is carried by several messages. A server takes 1 MB at a time unless it is told otherwise. */
const [REPORTS_PER_MESSAGE, BYTES_PER_MESSAGE] = [1_000, 512 * 1024];

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What of a stretch goes beyond a place that the bus has already, in pieces that a message can hold. */
export function* piecesBeyond({ through, reports }: Stretch, reached: number): Generator<StretchPiece> {
  let after = reached;
  let last = reached;
  let texts: string[] = [];
  let bytes = 0;
  for (const report of reports) {
    if (report.sequence <= reached) continue;
    const text = JSON.stringify(report);
    const size = Buffer.byteLength(text) + 1;
    if (texts.length === REPORTS_PER_MESSAGE || (texts.length > 0 && bytes + size > BYTES_PER_MESSAGE)) {
      yield { after, through: last, body: encoder.encode(`[${texts.join()}]`) };
      [after, texts, bytes] = [last, [], 0];
    }
    texts.push(text);
    bytes += size;
    last = report.sequence;
  }
  yield { after, through, body: encoder.encode(`[${texts.join()}]`) };
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

export function readReports(body: Uint8Array): ExecutionReport[] {
  return JSON.parse(decoder.decode(body)) as ExecutionReport[];
}
