import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { projectRoot } from '@daybook/platform';

import { request, type RequestOptions, tokenFor, type TestResponse } from './app.js';
import { createTestDatabase, type TestDatabase } from './database.js';
import { type ServerProcess, startServerProcess } from './server-process.js';

/** Several servers, each a process of its own, on one database. */
export interface Fleet {
  readonly servers: readonly ServerProcess[];
  readonly database: TestDatabase;
  /** Asks one of the servers, by its position modulo their number; as an operator unless told otherwise. */
  ask(server: number, method: string, path: string, options?: RequestOptions): Promise<TestResponse>;
  /** A product with stock in the main warehouse. */
  createProduct(sku: string, stock: number): Promise<void>;
  /** Ends all servers as an operator would; fails if one of them does not end well. */
  stop(): Promise<void>;
}

/** @param environments one per server */
export async function startFleet(environments: readonly NodeJS.ProcessEnv[]): Promise<Fleet> {
  const database = await createTestDatabase();
  const servers = await Promise.all(
    environments.map((environment) => startServerProcess({ DATABASE_URL: database.url, ...environment })),
  );
  const token = await tokenFor('operator-1', 'operator');
  const ask: Fleet['ask'] = (server, method, path, options = {}) => {
    const { origin } = servers[server % servers.length] as ServerProcess;
    return request(origin, method, `/api/v1${path}`, { token, ...options });
  };
  return {
    servers,
    database,
    ask,
    createProduct: async (sku, stock) => {
      const product = { sku, name: `Product ${sku}`, priceCents: 1000 };
      await expectStatus(201, ask(0, 'POST', '/products', { body: product }));
      const adjustment = { sku, quantityDelta: stock, reason: 'received' };
      await expectStatus(201, ask(0, 'POST', '/stock-adjustments', { body: adjustment }));
    },
    stop: async () => {
      // One that a test has ended already was that test's concern.
      const running = servers.filter(({ child }) => child.exitCode === null && child.signalCode === null);
      const codes = await Promise.all(running.map((server) => server.end('SIGTERM')));
      await database.drop();
      if (codes.some((code) => code !== 0)) {
        throw new Error(
          `The servers ended with ${codes.join()}:\n${servers.map(({ output }) => output()).join('\n')}`,
        );
      }
    },
  };
}

/** The answer, if it has the status. */
export async function expectStatus(status: number, pending: Promise<TestResponse>): Promise<TestResponse> {
  const answer = await pending;
  if (answer.status !== status) throw new Error(`Expected ${status}, got ${answer.status}: ${answer.text}`);
  return answer;
}

/** What makes a server process believe that it is another time: milliseconds ahead of the real time. */
export function wrongClock(offsetMs: number): NodeJS.ProcessEnv {
  const preload = pathToFileURL(join(projectRoot(), 'test/support/wrong-clock.mjs'));
  return { NODE_OPTIONS: `--import=${preload.href}`, WRONG_CLOCK_OFFSET_MS: String(offsetMs) };
}
