import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

import { projectRoot } from '@daybook/platform';

import { createTestDatabase, type TestDatabase } from '../../../test/support/database.js';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

/** Runs the built program to its end. */
async function run(words: string[], environment: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, [join(projectRoot(), 'dist/apps/api/main.js'), ...words], {
    env: { PATH: process.env['PATH'], DATABASE_URL: database.url, LOG_LEVEL: 'warn', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 20_000,
    killSignal: 'SIGKILL',
  });
  const exited = once(child, 'exit') as Promise<[number | null]>;
  const [out, err, [exitCode]] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
  return { exitCode, out, err };
}

describe('a start that cannot succeed', () => {
  it('names every bad variable and ends with 1', async () => {
    expect(await run([], { PORT: 'abc', BUSINESS_TIMEZONE: 'Mars/Olympus' })).toEqual({
      exitCode: 1,
      out: '',
      err:
        'The configuration is not usable:\n' +
        '  PORT must be a whole number from 0 to 65535\n' +
        '  BUSINESS_TIMEZONE must be an IANA time zone\n',
    });
  });

  it('says which port is taken and ends with 1', async () => {
    const holder = createServer().listen(0, '127.0.0.1');
    await once(holder, 'listening');
    const { port } = holder.address() as AddressInfo;
    const { exitCode, err } = await run([], { PORT: String(port) });
    holder.close();
    expect(err).toBe(`Cannot listen on 127.0.0.1:${port}: in use. Set PORT to another one.\n`);
    expect(exitCode).toBe(1);
  });

  it('refuses a command it does not know and an option of one it knows', async () => {
    const unknown = await run(['heal']);
    expect(unknown.err).toMatch(/^There is no command heal\. [^\n]+doctor[^\n]+\n$/);
    expect(unknown.exitCode).toBe(1);
    const option = await run(['doctor', '--mend']);
    expect(option).toEqual({ exitCode: 1, out: '', err: "Unknown option '--mend'\n" });
  });
});
