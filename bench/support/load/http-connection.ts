import { connect, type Socket } from 'node:net';
import type { LoadRequest } from './load-plan.ts';

// Longer than any answer the contenders give to an order, so that most answers arrive in one read.
const READ_BUFFER_BYTES = 8 * 1024;
const HEAD_BYTES_AT_MOST = 16 * 1024;
const CONTENT_LENGTH = /^content-length: *(\d+)/im;

/**
 * One keep-alive HTTP/1.1 connection that has at most one request under way.
 *
 * The generator shares the cores with the server and the database it measures, so its cost per request is
 * taken from their throughput. Against a trivial Node server, the processor time of a request was, for undici
 * (`Client.dispatch`) and for this class: 59 and 32 µs at 1 connection, 16 and 10.5 µs at 64, 25 and 12 µs at
 * 1,000. Hence a raw socket, which understands only what the contenders answer: a status and a content
 * length. Anything else fails loudly.
 */
export class HttpConnection {
  readonly #socket: Socket;
  readonly #host: string;
  readonly #onAnswer: (status: number) => void;
  #head = '';
  #status = 0;
  #bodyBytesLeft = 0;

  constructor(
    server: { host: string; port: number },
    on: { open: () => void; answer: (status: number) => void; closed: (reason: string) => void },
  ) {
    this.#host = `${server.host}:${server.port}`;
    this.#onAnswer = on.answer;
    // One buffer for the life of the connection: without `onread` every read allocates.
    const onread = {
      buffer: Buffer.allocUnsafeSlow(READ_BUFFER_BYTES),
      callback: (length: number, buffer: Uint8Array): boolean => this.#read(length, buffer as Buffer),
    };
    let reason = 'closed by the server';
    this.#socket = connect({ ...server, noDelay: true, onread });
    this.#socket.on('connect', on.open);
    this.#socket.on('error', (error: NodeJS.ErrnoException) => (reason = error.code ?? error.message));
    this.#socket.on('close', () => on.closed(reason));
  }

  send({ method, path, headers, body }: LoadRequest): void {
    let head = `${method} ${path} HTTP/1.1\r\nhost: ${this.#host}\r\ncontent-length: ${body.length}\r\n`;
    for (const [name, value] of headers) head += `${name}: ${value}\r\n`;
    this.#socket.write(`${head}\r\n${body}`, 'latin1');
  }

  close(reason?: string): void {
    this.#socket.destroy(reason === undefined ? undefined : new Error(reason));
  }

  #read(length: number, buffer: Buffer): boolean {
    if (this.#bodyBytesLeft > 0) this.#bodyBytesLeft -= length;
    else if (!this.#readHead(buffer.toString('latin1', 0, length))) return true;
    if (this.#bodyBytesLeft < 0) this.close('more bytes than the answer announced');
    else if (this.#bodyBytesLeft === 0) this.#onAnswer(this.#status);
    return true;
  }

  /** Answers whether the head is complete; what follows it is the beginning of the body. */
  #readHead(text: string): boolean {
    this.#head += text;
    const end = this.#head.indexOf('\r\n\r\n');
    if (end < 0) {
      if (this.#head.length > HEAD_BYTES_AT_MOST) this.close('a head that never ends');
      return false;
    }
    const contentLength = CONTENT_LENGTH.exec(this.#head)?.[1];
    if (contentLength === undefined) {
      this.close('an answer without a content length');
      return false;
    }
    this.#status = Number(this.#head.slice(9, 12));
    this.#bodyBytesLeft = Number(contentLength) - (this.#head.length - end - 4);
    this.#head = '';
    return true;
  }
}
