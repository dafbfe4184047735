import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

import { type WebSocket, WebSocketServer } from 'ws';

import type { Behaviour } from './behaviour.js';
import { FaultyFeed } from './faulty-feed.js';
import { randomFrom } from './random.js';
import type { ReportLog } from './report-log.js';

const REPORTS_PER_FRAME = 500;
/** A reader for whom so much lies in the socket has to read first. */
const FULL_AT_BYTES = 1024 * 1024;
/** Reports that are held back, to come behind others, are sent after this if no others come. */
const IDLE_MS = 20;
const POLICY_VIOLATION = 1008;

/** Why a reader cannot have the reports from where it wants them. */
export interface StreamRefusal {
  readonly status: 410 | 416;
  readonly error: string;
}

/** Sends the log to its readers: to each from where it wants it, and as fast as it reads. */
export class ExecutionStream {
  private readonly server = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  private readonly readers = new Set<Reader>();
  private isAwake = false;
  private connections = 0;

  constructor(
    private readonly log: ReportLog,
    private readonly seed: number,
    private readonly behaviour: () => Behaviour,
  ) {}

  get readerCount(): number {
    return this.readers.size;
  }

  /** How many readers there ever were. */
  get connectionCount(): number {
    return this.connections;
  }

  refusal(after: number): StreamRefusal | undefined {
    const { forgotten, last } = this.log;
    if (after < forgotten)
      return { status: 410, error: `Reports up to ${forgotten} are not kept any more; after=${after}` };
    if (after > last) return { status: 416, error: `There are ${last} reports; after=${after}` };
    return undefined;
  }

  open(request: IncomingMessage, socket: Duplex, head: Buffer, after: number): void {
    this.server.handleUpgrade(request, socket, head, (webSocket) => {
      this.connections += 1;
      const feed = new FaultyFeed(this.log.last, randomFrom(this.seed, 'stream', this.connections));
      const reader = new Reader(webSocket, after, feed, this.log, this.behaviour);
      this.readers.add(reader);
      webSocket.on('close', () => {
        reader.stop();
        this.readers.delete(reader);
      });
      // Nothing that a reader says matters, nor how it goes.
      webSocket.on('error', () => webSocket.terminate());
      reader.send();
    });
  }

  /** Something was reported. What is reported together is sent together. */
  wake(): void {
    if (this.isAwake || this.readers.size === 0) return;
    this.isAwake = true;
    setImmediate(() => {
      this.isAwake = false;
      for (const reader of this.readers) reader.send();
    });
  }

  /** Cuts every connection, as if the network had. */
  cut(): void {
    for (const reader of this.readers) reader.cut();
  }
}

/** One connection. */
class Reader {
  private idle: NodeJS.Timeout | undefined;

  constructor(
    private readonly socket: WebSocket,
    /** What it has, or was meant to have. */
    private sent: number,
    private readonly feed: FaultyFeed,
    private readonly log: ReportLog,
    private readonly behaviour: () => Behaviour,
  ) {}

  /** Sends what there is, as far as the socket takes it; the rest when it has. */
  send(): void {
    clearTimeout(this.idle);
    while (this.sent < this.log.last) {
      if (this.socket.readyState !== this.socket.OPEN || this.socket.bufferedAmount > FULL_AT_BYTES) return;
      if (this.sent < this.log.forgotten) {
        this.socket.close(POLICY_VIOLATION, 'Read too slowly: the next reports are not kept any more');
        return;
      }
      const last = Math.min(this.log.last, this.sent + REPORTS_PER_FRAME);
      const { sequences, isCut } = this.feed.take(this.sent + 1, last, this.behaviour());
      this.sent = last;
      this.sendFrame(sequences, isCut);
    }
    if (this.feed.isHolding)
      this.idle = setTimeout(() => this.sendFrame(this.feed.release(), false), IDLE_MS);
  }

  cut(): void {
    this.socket.terminate();
  }

  stop(): void {
    clearTimeout(this.idle);
  }

  private sendFrame(sequences: readonly number[], isCut: boolean): void {
    const done = (error?: Error | null) => {
      if (isCut) this.cut();
      else if (error == null && this.sent < this.log.last) this.send();
    };
    if (sequences.length === 0) {
      if (isCut) this.cut();
      return;
    }
    this.socket.send(`[${sequences.map((sequence) => this.log.json(sequence)).join()}]`, done);
  }
}
