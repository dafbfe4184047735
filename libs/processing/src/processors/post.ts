import http, { type Agent, type IncomingMessage } from 'node:http';
import https from 'node:https';

/** Of an answer's body we want a sentence. What is longer, or comes more slowly, is not waited for. */
const BODY_LIMIT_BYTES = 16 * 1024;
const BODY_PATIENCE_MS = 1_000;

export interface ServiceAnswer {
  readonly status: number;
  /** The body; only its beginning, if it is long or breaks off. */
  readonly text: string;
}

export interface PostOptions {
  readonly agent: Agent;
  readonly headers: Readonly<Record<string, string>>;
  /** Ends the request at once in whatever state it is, connecting included. */
  readonly signal: AbortSignal;
}

/**
 * Follows no redirects, knows no proxies and sets no time limit but the signal's. `fetch` gives up after five minutes, does
 * not let the number of connections be bounded, and finishes connecting before it listens to the signal.
 */
export function post(url: URL, options: PostOptions, body: string): Promise<ServiceAnswer> {
  const { request } = url.protocol === 'https:' ? https : http;
  return new Promise((resolve, reject) => {
    const outgoing = request(url, {
      ...options,
      method: 'POST',
      headers: { ...options.headers, 'content-length': Buffer.byteLength(body) },
    });
    // Once there is an answer, errors of the request no longer matter: it may be broken off because it was answered.
    outgoing.on('response', (incoming) => resolve(readAnswer(incoming)));
    outgoing.on('error', reject);
    // A connection that the server wants to use for another protocol is closed without an error.
    outgoing.on('close', () => reject(new Error('the connection was closed')));
    outgoing.end(body);
  });
}

async function readAnswer(incoming: IncomingMessage): Promise<ServiceAnswer> {
  const chunks: Buffer[] = [];
  let length = 0;
  const patience = setTimeout(() => incoming.destroy(), BODY_PATIENCE_MS);
  try {
    for await (const chunk of incoming as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      length += chunk.length;
      // Leaving the loop breaks the connection.
      if (length > BODY_LIMIT_BYTES) break;
    }
  } catch {
    // The body broke off. The status has told what came of the order; only words about it are lost.
  } finally {
    clearTimeout(patience);
  }
  return {
    status: incoming.statusCode as number,
    text: Buffer.concat(chunks).subarray(0, BODY_LIMIT_BYTES).toString(),
  };
}
