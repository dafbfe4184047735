import { Agent, get } from 'node:http';
import { SignJWT } from 'jose';
import { BENCH_SECRET } from '../placement/http-contenders.ts';
import type { Query } from './combinations.ts';

export interface Answer {
  readonly status: number;
  /** From the request to the last byte of the answer. */
  readonly ms: number;
  readonly text: string;
}

export interface ListPage {
  readonly data: readonly unknown[];
  readonly nextCursor: string | null;
}

/** An operator who reads on one connection, one page after the other. */
export class Reader {
  readonly #url: string;
  readonly #authorization: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });

  private constructor(url: string, authorization: string) {
    this.#url = url;
    this.#authorization = authorization;
  }

  static async on(url: string): Promise<Reader> {
    return new Reader(url, `Bearer ${await operatorToken()}`);
  }

  read(path: string): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const begin = performance.now();
    const request = get(
      `${this.#url}${path}`,
      { agent: this.#agent, headers: { authorization: this.#authorization } },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', reject);
        answer.on('end', () => {
          const ms = performance.now() - begin;
          resolve({ status: answer.statusCode ?? 0, ms, text: Buffer.concat(chunks).toString() });
        });
      },
    );
    request.on('error', reject);
    return promise;
  }

  close(): void {
    this.#agent.destroy();
  }
}

export function operatorToken(): Promise<string> {
  return new SignJWT({ roles: ['operator'] })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject('operator')
    .setExpirationTime('1d')
    .sign(new TextEncoder().encode(BENCH_SECRET));
}

export function pathOf(query: Query, limit: number, cursor?: string): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const each of [value].flat()) parameters.append(name, each);
  }
  parameters.append('limit', String(limit));
  if (cursor !== undefined) parameters.append('cursor', cursor);
  return `/api/v1/orders?${parameters.toString()}`;
}

export function pageOf({ status, text }: Answer): ListPage {
  if (status !== 200) throw new Error(`the list was answered ${status}: ${text}`);
  return JSON.parse(text) as ListPage;
}

/** Whether the list was given up because it would take too long. Any other refusal is a mistake of the benchmark's. */
export function isTooBroad({ status, text }: Answer): boolean {
  if (status === 200) return false;
  if (status === 422 && text.includes('"query_too_broad"')) return true;
  throw new Error(`the list was answered ${status}: ${text}`);
}
