import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

import { projectRoot } from '@daybook/platform';

import { readNdjson } from '../support/answer-body.js';
import { request, TEST_SECRET, tokenFor } from '../support/app.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { insertOrders } from '../support/order-rows.js';
import { type ServerProcess, startServerProcess } from '../support/server-process.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { waitFor } from '../support/wait-for.js';

const ORDERS = 2_500;
const EXPORT = '/api/v1/orders/export?sort=oldest';

let database: TestDatabase;
/** Between the server and its database. */
let wire: TcpProxy;
/** Between the client and the server. */
let network: TcpProxy;
let server: ServerProcess;
let token: string;
let folder: string;

/** Long names make an export that does not fit into the buffers of a connection. */
async function fillBooks(): Promise<void> {
  await database.query(
    `INSERT INTO products (sku, name, price_cents, currency, created_at, updated_at) VALUES ('TEA', 'Tea', 1, 'USD', now(), now())`,
  );
  const [product] = await database.query<{ id: number }>('SELECT id FROM products');
  const order = { customerId: 'alice', status: 'failed', priority: 'normal', totalCents: 1 } as const;
  const rows = Array.from({ length: ORDERS }, (_, index) => ({
    ...order,
    ...{ day: '20260701', n: index + 1, placedAt: new Date('2026-07-01T12:00:00Z') },
    ...{ clientOrderId: `a "name", ${index}`, productIds: [product?.id ?? 0] },
  }));
  await insertOrders(database, rows);
  await database.query(`UPDATE order_lines SET name = repeat(md5(order_id::text), 300)`);
}

beforeAll(async () => {
  database = await createTestDatabase();
  await fillBooks();
  wire = await TcpProxy.before(database.url);
  server = await startServerProcess({ DATABASE_URL: wire.through(database.url), DAYBOOK_ROLES: 'api' });
  network = await TcpProxy.before(server.origin);
  token = await tokenFor('operator-1', 'operator');
  folder = await mkdtemp(join(tmpdir(), 'daybook-export-'));
});
afterAll(async () => {
  await network.close();
  await server.end('SIGTERM');
  await wire.close();
  await database.drop();
  await rm(folder, { recursive: true });
});
beforeEach(() => {
  network.onAnswer = () => true;
});

const whole = async (query = '') =>
  (await request(server.origin, 'GET', `${EXPORT}${query}`, { token })).text;

/**
 * An export that has begun, and waits for being read. Not by `fetch`: what that reads ahead lets the kernel keep more and
 * more of a connection, until the whole export is there.
 */
async function beginExport(): Promise<IncomingMessage> {
  const asked = get(`${server.origin}${EXPORT}`, {
    agent: false,
    headers: { authorization: `Bearer ${token}` },
  });
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  // It may break before anybody reads it; who does hears of it then.
  for (const end of [asked, answer]) end.on('error', () => undefined);
  if (answer.statusCode !== 200) throw new Error(`Expected 200, got ${answer.statusCode}`);
  return answer;
}

/** What arrives before the end, and whether that is a proper one. */
async function readToEnd(answer: IncomingMessage) {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of answer) chunks.push(chunk as Buffer);
    return { isComplete: true, received: Buffer.concat(chunks).toString() };
  } catch (error) {
    expect(error).toMatchObject({ code: 'ECONNRESET' });
    return { isComplete: false, received: Buffer.concat(chunks).toString() };
  }
}

/** Without the row that broke off. */
const wholeRows = (received: string) => received.slice(0, received.lastIndexOf('\n') + 1);

describe('an export whose database goes away', () => {
  it('breaks off, and its last cursor goes on where it ended, without a gap or a repetition', async () => {
    const begun = await beginExport();
    await waitFor('the database to be asked no more', async () => {
      const [row] = await database.query<{ idle: boolean }>(
        `SELECT bool_and(state = 'idle') AS idle FROM pg_stat_activity WHERE application_name = 'daybook-lists'
         AND datname = current_database()`,
      );
      return row?.idle;
    });
    await wire.cut();
    const { isComplete, received } = await readToEnd(begun);
    await wire.mend();
    expect(isComplete).toBe(false);
    const first = wholeRows(received);
    const cursor = readNdjson<{ cursor: string }>(first).at(-1)?.cursor;
    const rest = await waitFor('the database', async () => {
      const answer = await request(server.origin, 'GET', `${EXPORT}&cursor=${cursor}`, { token });
      return answer.status === 200 && answer.text;
    });
    expect(first + rest === (await whole())).toBe(true);
    await waitFor('a word in the log', () =>
      /"context":"Streams".+"A file was cut off"/.test(server.output()),
    );
  });
});

/** In bytes; 0 for a file that is not there yet. */
async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}

/** Runs the command of the built program; `exited` resolves with its end. */
function exportCommand(words: string[], environment: NodeJS.ProcessEnv = {}) {
  const bundle = join(projectRoot(), 'dist/apps/api/main.js');
  const url = `http://127.0.0.1:${network.port}`;
  const child = spawn(process.execPath, [bundle, 'export', '--url', url, '--sort', 'oldest', ...words], {
    env: { PATH: process.env['PATH'], DAYBOOK_TOKEN: token, DAYBOOK_HOME: folder, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'exit') as Promise<[number | null]>;
  const exited = Promise.all([text(child.stdout), text(child.stderr), ended]).then(
    ([out, err, [exitCode]]) => ({
      ...{ out, err, exitCode },
    }),
  );
  return { child, exited };
}

describe('npm run export', () => {
  it('writes to standard output, and tells of it on the other one', async () => {
    const { out, err, exitCode } = await exportCommand(['--status', 'failed']).exited;
    expect(exitCode).toBe(0);
    expect(out === (await whole('&status=failed'))).toBe(true);
    expect(err).toMatch(/^2,500 orders in \d+ s \([\d,]+ a second\)\.\n$/);
  });

  it.each([
    ['ndjson', 6_000_000],
    ['csv', 100_000],
  ])('has every row once in its %s, however often the connection breaks', async (format, every) => {
    let left = every;
    const breaks: ('end' | 'reset')[] = ['reset', 'end', 'reset'];
    network.onAnswer = ({ length }) => {
      left -= length;
      const how = left < 0 ? breaks.pop() : undefined;
      if (how === undefined) return true;
      left = every;
      // What has come so far is on its way to the client.
      setImmediate(() => network.breakConnections(how));
      return true;
    };
    const output = join(folder, `broken.${format}`);
    const { err, exitCode } = await exportCommand(['--format', format, '--output', output]).exited;
    expect({ err, exitCode }).toMatchObject({ exitCode: 0 });
    expect(breaks).toEqual([]);
    expect((await readFile(output, 'utf8')) === (await whole(`&format=${format}`))).toBe(true);
  });

  it('stops behind a whole row, and goes on there', async () => {
    const output = join(folder, 'stopped.csv');
    let left = 100_000;
    network.onAnswer = ({ length }) => {
      left -= length;
      if (left < 0) network.freeze();
      return true;
    };
    const { child, exited } = exportCommand(['--format', 'csv', '--output', output]);
    await waitFor('some rows', async () => (await sizeOf(output)) > 1_000);
    child.kill('SIGINT');
    const { err, exitCode } = await exited;
    network.onAnswer = () => true;
    network.thaw();
    expect(exitCode).toBe(130);
    const all = await whole('&format=csv');
    const written = await readFile(output, 'utf8');
    expect(written.endsWith('\n') && written.length < all.length && all.startsWith(written)).toBe(true);
    const cursor = /^ {2}--cursor=(\S+)$/m.exec(err)?.[1];
    const elsewhere = await exportCommand(['--format', 'csv', `--cursor=${cursor}`]).exited;
    expect(written + elsewhere.out === all).toBe(true);
    // As a full disk or a power cut may leave it.
    await writeFile(output, `${written}20260701-0`);
    const rest = await exportCommand(['--format', 'csv', '--output', output, '--append']).exited;
    expect(rest).toMatchObject({ exitCode: 0, out: '' });
    expect((await readFile(output, 'utf8')) === all).toBe(true);
  });

  it('replaces a file only when it is told to, and goes on in none that is no export', async () => {
    const output = join(folder, 'other.txt');
    await writeFile(output, 'Dear diary,\n');
    expect(await exportCommand(['--output', output]).exited).toEqual({
      exitCode: 1,
      out: '',
      err: `${output} exists. --append goes on behind its last row, --force replaces it.\n`,
    });
    expect((await exportCommand(['--output', output, '--append']).exited).err).toMatch(
      /does not end in a row of a ndjson export/,
    );
    expect(await readFile(output, 'utf8')).toBe('Dear diary,\n');
    expect((await exportCommand(['--output', output, '--force', '--sku', 'NONE']).exited).exitCode).toBe(0);
    expect(await readFile(output, 'utf8')).toBe('');
  });

  it('needs no token beside a development server, whose home it shares', async () => {
    const home = await mkdtemp(join(folder, 'home-'));
    await writeFile(join(home, 'development-secret'), TEST_SECRET);
    const words = ['--sku', 'NONE'];
    const { exitCode, err } = await exportCommand(words, { DAYBOOK_TOKEN: '', DAYBOOK_HOME: home }).exited;
    expect({ exitCode, err }).toMatchObject({ exitCode: 0, err: expect.stringMatching(/^0 orders/) });
  });

  it('says what the server refuses, and makes no file', async () => {
    const output = join(folder, 'refused.csv');
    const wrong = await exportCommand(['--output', output, '--status', 'lost']).exited;
    expect(wrong).toMatchObject({
      exitCode: 1,
      err: expect.stringMatching(/^The server answers 400: status must be one of/),
    });
    const stranger = await exportCommand(['--output', output], { DAYBOOK_TOKEN: '' }).exited;
    expect(stranger).toMatchObject({
      exitCode: 1,
      err: expect.stringMatching(/^The server answers 401: .+\nGive a token/),
    });
    await network.cut();
    const nobody = await exportCommand(['--output', output]).exited;
    await network.mend();
    expect(nobody).toMatchObject({ exitCode: 1, err: expect.stringMatching(/ECONNREFUSED/) });
    await expect(stat(output)).rejects.toThrow('ENOENT');
  });
});

describe('a server that is told to stop during an export', () => {
  it('breaks it off, though its client reads no further, and ends well', async () => {
    const begun = await beginExport();
    expect(await server.end('SIGTERM')).toBe(0);
    expect(await readToEnd(begun)).toMatchObject({ isComplete: false });
    expect(server.output()).toMatch(/The server is stopping.+A file was cut off/);
    expect(server.output()).not.toMatch(/"level":"(error|fatal)"/);
  });
});
