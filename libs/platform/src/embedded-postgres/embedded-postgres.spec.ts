import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmod,
  chown,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

import pg from 'pg';

import { startEmbeddedPostgres, type EmbeddedPostgresOptions } from './embedded-postgres.js';
import { findPostmaster } from './postmaster.js';
import { runProgram } from './run-program.js';
import { findServerAccount } from './server-account.js';
import { findInstalledBuild, usableBinaries } from './server-binaries.js';

const CHECKOUT = join(import.meta.dirname, '../../../..');
const isRoot = process.getuid?.() === 0;
const NOBODY = 65534;

/** The tests of the first start have their own homes here. Paths as a newcomer's may be: a space, a quote, an umlaut. */
let sandbox: string;
/** The home of all other tests, because it takes initdb a second to make one. */
let sharedHome: string;
/** The home of the test that runs. */
let home: string;
let lines: string[];
const cleanUps: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  sharedHome = await mkdtemp(join(tmpdir(), "daybook's höme "));
  await chmod(sharedHome, 0o755);
});

afterAll(() => rm(sharedHome, { recursive: true }));

beforeEach(async () => {
  sandbox = await mkdtemp(join(tmpdir(), "daybook's höme "));
  await chmod(sandbox, 0o755);
  home = join(sandbox, '.daybook');
  lines = [];
});

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
  // An initdb whose Node was killed may still write there.
  await rm(sandbox, { recursive: true, maxRetries: 20, retryDelay: 25 });
});

const fallbackHome = () => join(sandbox, 'fallback');

async function start(options: Partial<EmbeddedPostgresOptions> = {}) {
  const server = await startEmbeddedPostgres({
    home,
    fallbackHome: fallbackHome(),
    durable: false,
    log: (line) => lines.push(line),
    ...options,
  });
  cleanUps.push(() => server.stop());
  return server;
}

async function query<Row extends pg.QueryResultRow>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

async function keepSomething(url: string): Promise<{ word: string }[]> {
  await query(url, 'CREATE TABLE IF NOT EXISTS kept (word uuid)');
  await query(url, 'TRUNCATE kept');
  return query(url, 'INSERT INTO kept SELECT gen_random_uuid() RETURNING word');
}

/** Changes a file of the shared cluster for the length of a test. */
async function replaceForNow(path: string, content: string): Promise<void> {
  await rename(path, `${path}.original`);
  cleanUps.push(() => rename(`${path}.original`, path));
  await writeFile(path, content);
}

async function postmasterPid(dataDirectory: string): Promise<number> {
  const running = await findPostmaster(dataDirectory);
  if (!running) throw new Error(`no server runs on ${dataDirectory}`);
  return running.pid;
}

/** Repeats the attempt until it succeeds; fails with its last error. */
async function eventually<T>(attempt: () => Promise<T>, limitMs = 10_000): Promise<T> {
  for (const until = Date.now() + limitMs; ; await delay(20)) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > until) throw error;
    }
  }
}

/** Another Daybook process, as far as its database goes. It needs the hooks that let Node load TypeScript. */
const CHILD = `
  import { pathToFileURL } from 'node:url';
  const module = pathToFileURL(process.env.CHECKOUT + '/libs/platform/src/embedded-postgres/embedded-postgres.ts');
  const { startEmbeddedPostgres } = await import(module);
  const server = await startEmbeddedPostgres(JSON.parse(process.env.OPTIONS));
  process.on('SIGINT', () => process.send('interrupted'));
  process.on('message', () => server.stop().then(() => process.disconnect()));
  process.send(server);`;

interface Daybook {
  readonly process: ChildProcess;
  readonly url: string;
  readonly dataDirectory: string;
}

function spawnDaybook(options: object = {}, account: { uid?: number; gid?: number } = {}): ChildProcess {
  const hooks = pathToFileURL(join(CHECKOUT, 'scripts/typescript.mjs')).href;
  const child = spawn(process.execPath, ['--import', hooks, '--input-type=module', '--eval', CHILD], {
    cwd: '/',
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: {
      ...process.env,
      CHECKOUT,
      HOME: sandbox,
      OPTIONS: JSON.stringify({
        home,
        fallbackHome: fallbackHome(),
        durable: false,
        ...options,
      }),
    },
    ...account,
  });
  cleanUps.push(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  return child;
}

async function startDaybook(options: object = {}, account: object = {}): Promise<Daybook> {
  const child = spawnDaybook(options, account);
  const [server] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => Promise.reject(new Error('the other Daybook could not start'))),
  ]);
  return { ...(server as { url: string; dataDirectory: string }), process: child };
}

async function kill(victim: ChildProcess): Promise<void> {
  victim.kill('SIGKILL');
  await once(victim, 'exit');
}

describe('a start', () => {
  it('makes a durable cluster that is the same on every machine, with a role that owns its database only', async () => {
    const server = await start({ durable: true, maxConnections: 77 });
    const names =
      'fsync synchronous_commit full_page_writes data_checksums server_encoding listen_addresses ' +
      'password_encryption max_connections TimeZone';
    const settings = names
      .split(' ')
      .map((name) => `current_setting('${name}') AS "${name}"`)
      .join();
    const [row] = await query(
      server.url,
      `SELECT ${settings}, datlocprovider, datlocale, rolname, rolsuper, rolcreatedb
      FROM pg_database JOIN pg_roles ON pg_roles.oid = datdba WHERE datname = current_database()`,
    );

    expect(server.created).toBe(true);
    expect(server.url).toMatch(/^postgres:\/\/daybook:[\w-]{32}@127\.0\.0\.1:\d+\/daybook$/);
    expect(row).toEqual({
      fsync: 'on',
      synchronous_commit: 'on',
      full_page_writes: 'on',
      data_checksums: 'on',
      server_encoding: 'UTF8',
      listen_addresses: '127.0.0.1',
      password_encryption: 'scram-sha-256',
      max_connections: '77',
      TimeZone: 'UTC',
      datlocprovider: 'b',
      datlocale: 'C.UTF-8',
      rolname: 'daybook',
      rolsuper: false,
      rolcreatedb: true,
    });
    for (const file of ['password', 'superuser-password', 'postgres.log']) {
      const { mode } = await stat(join(server.dataDirectory, '..', file));
      expect([file, mode & 0o777]).toEqual([file, 0o600]);
    }
  });

  it('finds the data, the address and the password of the last one, after a stop that ended the server', async () => {
    const first = await start();
    const kept = await keepSomething(first.url);
    await first.stop();
    await expect(query(first.url, 'SELECT')).rejects.toMatchObject({ code: 'ECONNREFUSED' });

    const second = await start();
    expect(second.created).toBe(false);
    expect(second.url).toBe(first.url);
    expect(await query(second.url, 'TABLE kept')).toEqual(kept);
  });

  it('takes another port if the last one is taken, and remembers that', async () => {
    home = sharedHome;
    const first = await start();
    await first.stop();
    const intruder = createServer().listen(Number(new URL(first.url).port), '127.0.0.1');
    await once(intruder, 'listening');
    cleanUps.push(async () => intruder.close());

    const second = await start();
    expect(new URL(second.url).port).not.toBe(new URL(first.url).port);
    await query(second.url, 'SELECT');
    await second.stop();
    expect((await start()).url).toBe(second.url);
  });

  it('is made by several processes at once, and one of them makes the cluster', async () => {
    const [here, there] = await Promise.all([start(), startDaybook()]);
    expect(there.url).toBe(here.url);
    expect(await query(here.url, 'SELECT')).toHaveLength(1);
    const [, again] = await Promise.all([here.stop().then(() => kill(there.process)), start()]);
    expect(await query(again.url, 'SELECT')).toHaveLength(1);
  });

  it('begins anew after a kill -9 in the middle of the first one', async () => {
    const victim = spawnDaybook();
    await eventually(async () => {
      const staging = (await readdir(home)).find((name) => name.startsWith('postgres.new-'));
      await stat(join(home, staging ?? 'nothing yet', 'data/base'));
    });
    await kill(victim);

    const first = await start();
    expect(first.created).toBe(true);
    await first.stop();
    await mkdir(join(home, `postgres.new-${victim.pid}-rest`), { recursive: true });
    await eventually(async () => {
      await (await start()).stop();
      expect(await readdir(home)).toEqual(['postgres']);
    });
  });

  it('is not held up by a pid file whose number belongs to another process by now', async () => {
    home = sharedHome;
    const first = await start();
    await first.stop();
    const pidFile = join(first.dataDirectory, 'postmaster.pid');
    await writeFile(pidFile, `${process.pid}\n${first.dataDirectory}\n1\n5432\n\n127.0.0.1\n\nready   \n`);
    const { uid, gid } = await stat(first.dataDirectory);
    await chown(pidFile, uid, gid);

    const second = await start();
    expect(await query(second.url, 'SELECT')).toHaveLength(1);
  });

  it('says what to do about data of another PostgreSQL, and about data that is not whole', async () => {
    home = sharedHome;
    const { dataDirectory, stop } = await start();
    await stop();
    await replaceForNow(join(dataDirectory, 'PG_VERSION'), '12\n');
    await expect(start()).rejects.toMatchObject({
      code: 'data_incompatible',
      message: expect.stringContaining('was made by PostgreSQL 12'),
    });
    await rm(join(dataDirectory, 'PG_VERSION'));
    await expect(start()).rejects.toMatchObject({ code: 'data_incomplete' });
  });

  it('reports what the server says if that cannot start', async () => {
    home = sharedHome;
    const { dataDirectory, stop } = await start();
    await stop();
    await replaceForNow(join(dataDirectory, 'postgresql.conf'), "work_mem = 'plenty'\n");
    await expect(start()).rejects.toMatchObject({
      code: 'start_failed',
      message: expect.stringContaining('configuration file'),
    });
  });
});

describe('after a kill -9', () => {
  it('of Node, the next start takes over the server that is still running, and its stop ends it', async () => {
    home = sharedHome;
    const dead = await startDaybook();
    const kept = await keepSomething(dead.url);
    const pid = await postmasterPid(dead.dataDirectory);
    await kill(dead.process);

    const heir = await start();
    expect(heir).toMatchObject({ url: dead.url, created: false });
    expect(await postmasterPid(heir.dataDirectory)).toBe(pid);
    expect(await query(heir.url, 'TABLE kept')).toEqual(kept);
    await heir.stop();
    expect(await findPostmaster(heir.dataDirectory)).toBeUndefined();
  });

  it('of Node, a server that it left without safety is restarted for one who wants durability', async () => {
    home = sharedHome;
    const dead = await startDaybook({ durable: false });
    await kill(dead.process);
    const heir = await start({ durable: true });
    expect(await query(heir.url, 'SHOW fsync')).toEqual([{ fsync: 'on' }]);
  });

  it('of PostgreSQL, it comes back at the same address with all that was committed, again and again', async () => {
    home = sharedHome;
    const server = await start();
    const kept = await keepSomething(server.url);
    const pid = await postmasterPid(server.dataDirectory);
    // A backend at work notices its postmaster's death late, and until then no other may use the shared memory.
    const busy = query(server.url, 'SELECT count(*) FROM generate_series(1, 5000000)').catch(() => undefined);
    const activity = `SELECT FROM pg_stat_activity WHERE query LIKE '%generate%' AND pid <> pg_backend_pid()`;
    await eventually(async () => expect(await query(server.url, activity)).toHaveLength(1));
    process.kill(pid, 'SIGKILL');
    expect(await eventually(() => query(server.url, 'TABLE kept'))).toEqual(kept);
    await busy;

    process.kill(await postmasterPid(server.dataDirectory), 'SIGKILL');
    expect(await eventually(() => query(server.url, 'TABLE kept'))).toEqual(kept);
  });

  it('of both, the next start recovers the data', async () => {
    home = sharedHome;
    const dead = await startDaybook();
    const kept = await keepSomething(dead.url);
    const pid = await postmasterPid(dead.dataDirectory);
    await kill(dead.process);
    process.kill(pid, 'SIGKILL');

    const heir = await start();
    expect(await query(heir.url, 'TABLE kept')).toEqual(kept);
  });
});

describe('a running server', () => {
  it('does not feel the Ctrl-C that its Daybook gets', async () => {
    home = sharedHome;
    const other = await startDaybook();
    process.kill(-other.process.pid!, 'SIGINT');
    expect(await once(other.process, 'message')).toEqual(['interrupted', undefined]);
    expect(await query(other.url, 'SELECT')).toHaveLength(1);
    other.process.send('stop');
    await once(other.process, 'exit');
    expect(await findPostmaster(other.dataDirectory)).toBeUndefined();
  });

  it('is shared by the processes of one home, and stopped by the one that leaves last', async () => {
    home = sharedHome;
    const owner = await startDaybook();
    const guest = await start();
    const later = await start();
    expect([guest.url, later.url]).toEqual([owner.url, owner.url]);
    await later.stop();
    expect(await query(owner.url, 'SELECT')).toHaveLength(1);

    owner.process.send('stop');
    await once(owner.process, 'exit');
    expect(await query(guest.url, 'SELECT')).toHaveLength(1);
    await guest.stop();
    expect(await findPostmaster(guest.dataDirectory)).toBeUndefined();
  });

  it('is refused to one who wants durability while others run it without', async () => {
    home = sharedHome;
    await start({ durable: false });
    await expect(start({ durable: true })).rejects.toMatchObject({ code: 'not_durable' });
  });

  it('survives that all its connections are terminated', async () => {
    home = sharedHome;
    const server = await start();
    const pid = await postmasterPid(server.dataDirectory);
    const port = new URL(server.url).port;
    const password = await readFile(join(server.dataDirectory, '../superuser-password'), 'utf8');
    await query(
      `postgres://postgres:${password}@127.0.0.1:${port}/postgres`,
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()',
    );
    await eventually(async () => expect(lines).toContain('PostgreSQL is back.'));
    expect(await postmasterPid(server.dataDirectory)).toBe(pid);
    await server.stop();
    expect(await findPostmaster(server.dataDirectory)).toBeUndefined();
  });
});

describe('the accounts of the machine', () => {
  /** Only root can play another account. */
  function takesRoot(): boolean {
    if (!isRoot) console.info('One test of accounts was left out: it takes root.');
    return !isRoot;
  }

  it('let root keep the data elsewhere if the server cannot reach the home, and find it again', async () => {
    if (takesRoot()) return;
    await mkdir(join(sandbox, 'secret'), { mode: 0o700 });
    const secret = join(sandbox, 'secret/.daybook');
    const first = await start({ home: secret });
    expect(first.dataDirectory).toMatch(/fallback\/\w{12}\/data$/);
    const kept = await keepSomething(first.url);
    await first.stop();

    await runProgram('cp', ['-a', join(sandbox, 'secret'), join(sandbox, 'copy')]);
    const copy = await start({ home: join(sandbox, 'copy/.daybook') });
    expect(copy.created).toBe(true);

    await rename(join(sandbox, 'secret'), join(sandbox, 'moved'));
    const moved = await start({ home: join(sandbox, 'moved/.daybook') });
    expect(await query(moved.url, 'TABLE kept')).toEqual(kept);
  });

  it('let root copy a checkout with its data, even to where the server cannot reach it', async () => {
    if (takesRoot()) return;
    const first = await start();
    const kept = await keepSomething(first.url);
    await first.stop();
    const copy = join(sandbox, 'copy/.daybook');
    await cp(home, copy, { recursive: true });

    const here = await start({ home: copy });
    expect(here).toMatchObject({ created: false, dataDirectory: join(copy, 'postgres/data') });
    expect(await query(here.url, 'TABLE kept')).toEqual(kept);
    await here.stop();

    await chmod(join(sandbox, 'copy'), 0o700);
    const elsewhere = await start({ home: copy });
    expect(elsewhere).toMatchObject({ created: false, dataDirectory: expect.stringContaining('fallback') });
    expect(await query(elsewhere.url, 'TABLE kept')).toEqual(kept);
  });

  it('let root keep the data in a home that only root can read', async () => {
    if (takesRoot()) return;
    await mkdir(home, { mode: 0o700 });
    const server = await start();
    expect(server.dataDirectory).toBe(join(home, 'postgres/data'));
    expect((await stat(home)).mode & 0o777).toBe(0o711);
  });

  it('let the server run from a copy of its programs if it cannot reach those of npm', async () => {
    if (takesRoot()) return;
    const build = await findInstalledBuild();
    const directory = join(sandbox, 'secret/native');
    await cp(build.directory, directory, { recursive: true, verbatimSymlinks: true });
    // As `npm ci` leaves it under umask 077.
    await runProgram('chmod', ['-R', 'go=', directory]);
    const account = await findServerAccount();
    const log = (line: string) => lines.push(line);
    for (const copies of [1, 1]) {
      const binaries = await usableBinaries({ ...build, directory }, account, join(sandbox, 'fallback'), log);
      expect(binaries).toMatchObject({
        postgres: expect.stringContaining('fallback/binaries'),
        majorVersion: 18,
      });
      expect(lines).toHaveLength(copies);
    }
  });

  it('let an ordinary user have a server, even in a home that is not writable', async () => {
    if (takesRoot()) return;
    const reads = [
      '-c',
      'test -x "$1" && test -r "$2"',
      'sh',
      process.execPath,
      join(CHECKOUT, 'package.json'),
    ];
    if ((await runProgram('/bin/sh', reads, { uid: NOBODY, gid: NOBODY })).exitCode !== 0) {
      console.info('One test of accounts was left out: no ordinary user can read this checkout.');
      return;
    }
    await chown(sandbox, NOBODY, NOBODY);
    const own = await startDaybook({}, { uid: NOBODY, gid: NOBODY });
    expect((await stat(own.dataDirectory)).uid).toBe(NOBODY);
    expect(own.dataDirectory).toBe(join(home, 'postgres/data'));
    await mkdir(join(sandbox, 'foreign'));
    const foreign = await startDaybook({ home: join(sandbox, 'foreign') }, { uid: NOBODY, gid: NOBODY });
    expect(foreign.dataDirectory).toContain('fallback');
    expect(await query(foreign.url, 'SELECT')).toHaveLength(1);

    await kill(own.process);
    const sudo = await start();
    expect(sudo.url).toBe(own.url);
    await sudo.stop();
    foreign.process.send('stop');
    await once(foreign.process, 'exit');
  });
});
