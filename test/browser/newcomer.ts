import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { createTestDatabase } from '../support/database.js';
import { type ServerProcess, startServerProcess } from '../support/server-process.js';

export interface NewcomersServer {
  readonly server: ServerProcess;
  stop(): Promise<void>;
}

/** The built server as somebody has it who has configured nothing: no authentication, and the demo catalogue. */
export async function startNewcomersServer(): Promise<NewcomersServer> {
  const database = await createTestDatabase();
  const home = await mkdtemp(join(tmpdir(), 'daybook-newcomer-'));
  const server = await startServerProcess({
    DATABASE_URL: database.url,
    DAYBOOK_HOME: home,
    AUTH_JWT_SECRET: '',
    LOAD_DEMO_DATA: 'true',
    // Nobody processes the orders, so that they stay what the reader of the page has made of them.
    DAYBOOK_ROLES: 'api',
  });
  return {
    server,
    stop: async () => {
      await server.end('SIGTERM');
      await database.drop();
      await rm(home, { recursive: true, force: true });
    },
  };
}
