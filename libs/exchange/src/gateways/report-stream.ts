import type { IncomingMessage } from 'node:http';

import { WebSocket } from 'ws';

import type { ExecutionReport } from '../execution-report.js';
import { readReports } from './read-reports.js';
import { oneLine } from './venue-text.js';

const HANDSHAKE_MS = 10_000;
const LARGEST_FRAME = 16 * 1024 * 1024;
/** With so many reports unread the venue has to wait, */
const FULL_AT = 5_000;
/** until there are no more than these. */
const ROOM_AT = 1_000;

export interface ReportStreamOptions {
  readonly headers: Readonly<Record<string, string>>;
  /** How often the venue has to give a sign of life: a connection may end without anybody being told. */
  readonly heartbeatMs: number;
}

/**
 * Reads a stream of execution reports, frame by frame and no faster than they are taken, behind an empty frame when the
 * connection stands.
 * @throws when the connection cannot be made or breaks, or what comes cannot be read; what came before comes before that
 */
export async function* streamReports(
  url: URL,
  options: ReportStreamOptions,
  signal: AbortSignal,
): AsyncGenerator<readonly ExecutionReport[], void> {
  if (signal.aborted) return;
  const stream = new ReportStream(url, options);
  const stop = () => stream.end();
  signal.addEventListener('abort', stop, { once: true });
  try {
    for (;;) {
      const reports = await stream.next();
      if (reports === undefined) return;
      yield reports;
    }
  } finally {
    signal.removeEventListener('abort', stop);
    stream.end();
  }
}

/** One connection, and what has come over it and is not taken yet. */
class ReportStream {
  private readonly socket: WebSocket;
  private readonly frames: (readonly ExecutionReport[])[] = [];
  private unread = 0;
  /** There will be nothing more: with an error, or because it was ended here. */
  private ending: { readonly error?: Error } | undefined;
  private wake: () => void = () => undefined;
  /** Beats since the last sign of life. */
  private silentBeats = 0;
  private readonly heartbeat: NodeJS.Timeout;

  constructor(url: URL, { headers, heartbeatMs }: ReportStreamOptions) {
    this.socket = new WebSocket(url, {
      headers,
      handshakeTimeout: HANDSHAKE_MS,
      maxPayload: LARGEST_FRAME,
      perMessageDeflate: false,
    });
    const isAlive = () => (this.silentBeats = 0);
    this.socket
      .on('open', () => this.pass([]))
      .on('unexpected-response', (_, response) => void this.refused(response))
      .on('error', (error) => this.fail(error.message))
      .on('close', (code, reason) => this.fail(`it was closed (${code}) ${String(reason)}`))
      .on('ping', isAlive)
      .on('pong', isAlive)
      .on('message', (data: Buffer, isBinary) => {
        isAlive();
        this.receive(data, isBinary);
      });
    this.heartbeat = setInterval(() => this.beat(heartbeatMs), heartbeatMs);
  }

  /** @returns undefined when it was ended here */
  async next(): Promise<readonly ExecutionReport[] | undefined> {
    while (this.frames.length === 0 && this.ending === undefined) {
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
    if (this.ending !== undefined && this.ending.error === undefined) return undefined;
    const reports = this.frames.shift();
    if (reports === undefined) throw this.ending?.error as Error;
    this.unread -= reports.length;
    if (this.socket.isPaused && this.unread <= ROOM_AT) this.socket.resume();
    return reports;
  }

  end(): void {
    this.finish({});
  }

  private receive(data: Buffer, isBinary: boolean): void {
    if (this.ending !== undefined) return;
    if (isBinary) return this.fail('a frame is not text');
    try {
      this.pass(readReports(data.toString()));
    } catch (error) {
      this.finish({ error: error as Error });
    }
  }

  private pass(reports: readonly ExecutionReport[]): void {
    this.frames.push(reports);
    this.unread += reports.length;
    if (this.unread >= FULL_AT) this.socket.pause();
    this.wake();
  }

  private async refused(response: IncomingMessage): Promise<void> {
    let text = '';
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        text += chunk.toString();
        if (text.length > 1_000) break;
      }
    } catch {
      // Its status says enough.
    }
    this.fail(`it was refused (${response.statusCode}) ${text}`);
  }

  private beat(heartbeatMs: number): void {
    // Before, the handshake has a time limit of its own.
    if (this.socket.readyState !== WebSocket.OPEN) return;
    // A reader who lets the venue wait sees none of its signs. Nor may it ask for them: the answers would pile up over
    // there, and a careful server ends the connection of one who asks and does not listen.
    if (this.socket.isPaused) {
      this.silentBeats = 0;
      return;
    }
    // More than one: where much was to be done, a beat may come before what had arrived by then is looked at.
    if (this.silentBeats === 2) return this.fail(`no sign of life for ${2 * heartbeatMs} ms`);
    this.silentBeats += 1;
    this.socket.ping();
  }

  private fail(flaw: string): void {
    this.finish({ error: new Error(`The stream of execution reports broke: ${oneLine(flaw)}`) });
  }

  /** The first reason counts. */
  private finish(ending: { readonly error?: Error }): void {
    this.ending ??= ending;
    clearInterval(this.heartbeat);
    this.socket.terminate();
    this.wake();
  }
}
