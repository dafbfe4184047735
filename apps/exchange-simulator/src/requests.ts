import type { IncomingMessage, ServerResponse } from 'node:http';

import { InvalidInput } from './behaviour.js';

/** What is answered. */
export interface Reply {
  readonly status: number;
  readonly body?: object;
}

/** Enough for a list of a hundred thousand orders. */
const LONGEST_BODY = 16 * 1024 * 1024;

/** The JSON object in the body; an empty one if there is no body. @throws {InvalidInput} */
export async function readBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > LONGEST_BODY) throw new InvalidInput([`The body is longer than ${LONGEST_BODY} bytes`]);
    chunks.push(chunk);
  }
  if (length === 0) return {};
  const value = parse(Buffer.concat(chunks).toString());
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new InvalidInput(['The body must be a JSON object']);
  return value as Record<string, unknown>;
}

export function send(response: ServerResponse, { status, body }: Reply): void {
  const text = body === undefined ? '' : JSON.stringify(body);
  response.writeHead(status, {
    'content-length': Buffer.byteLength(text),
    ...(body !== undefined && { 'content-type': 'application/json' }),
  });
  response.end(text);
}

/** A whole number of the query. @throws {InvalidInput} */
export function wholeNumber(url: URL, name: string, fallback: number): number {
  const text = url.searchParams.get(name) ?? String(fallback);
  if (!/^\d{1,15}$/.test(text)) throw new InvalidInput([`${name} must be a whole number`]);
  return Number(text);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) throw new InvalidInput(['The body is not JSON']);
    throw error;
  }
}
