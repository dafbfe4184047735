import { Agent, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';

/** An answer as it came over one connection. */
export interface WireAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The server announced that it closes the connection behind this answer. */
  readonly isLast: boolean;
}

export interface AskOptions {
  /** Default: POST with a body, else GET. */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * A client that keeps one connection and has at most one request under way on it, so that it is known which requests
 * were sent on an established connection. A connection that breaks under a request is an error, and so is an answer
 * that is cut off. It opens a new connection when it asks again after that.
 */
export class KeepAliveClient {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 1 });
  private readonly authorization: string;

  constructor(
    private readonly origin: string,
    token: string,
  ) {
    this.authorization = `Bearer ${token}`;
  }

  async ask(path: string, body?: object, { method, headers }: AskOptions = {}): Promise<WireAnswer> {
    const content = body === undefined ? undefined : JSON.stringify(body);
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const outgoing = request(`${this.origin}${path}`, {
        agent: this.agent,
        method: method ?? (body === undefined ? 'GET' : 'POST'),
        headers: {
          authorization: this.authorization,
          ...(content !== undefined && {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(content),
          }),
          ...headers,
        },
      });
      outgoing.on('response', resolve).on('error', reject);
      outgoing.end(content);
    });
    return {
      status: answer.statusCode ?? 0,
      headers: answer.headers,
      text: await readAll(answer),
      isLast: answer.headers.connection === 'close',
    };
  }

  /** Breaks the connection; a request under way fails. */
  close(): void {
    this.agent.destroy();
  }
}

function readAll(answer: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    answer.setEncoding('utf8');
    answer.on('data', (chunk: string) => (text += chunk));
    answer.on('end', () => resolve(text)).on('error', reject);
  });
}
