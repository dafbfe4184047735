import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';

import type { NestFastifyApplication } from '@nestjs/platform-fastify';

import {
  type DaybookConfig,
  type EmbeddedPostgres,
  hasAuthConfiguration,
  loadConfig,
  projectRoot,
  startEmbeddedPostgres,
} from '@daybook/platform';

import { createApp } from './create-app.js';
import { isDemoDataMissing, loadDemoData } from './demo-data.js';
import { openDevelopmentAccess } from './development-access.js';
import { type DevelopmentVenue, startDevelopmentVenue } from './development-venue.js';
import { runDoctor } from './doctor/doctor.js';
import { runExport } from './export/export.js';
import { announceClosing, stopGracefully } from './shutdown.js';
import { isExpected, PortUnavailable, UnknownCommand } from './start.errors.js';
import { startTracing } from './tracing/start-tracing.js';

// Garbage of requests that waited for their batch ends up in the old generation, which V8 would let grow to several
// times what is alive before it collects. 60 % above what is alive keeps the process below 250 MB, without a limit that
// a burst of large requests could run into. Measured by `npm run bench:memory`; less costs time (docs/performance.md).
setFlagsFromString('--heap-growing-percent=60');

const home = process.env['DAYBOOK_HOME'] ?? join(projectRoot(), '.daybook');
let hasUnsentTraces = false;

try {
  await run(process.argv.slice(2));
} catch (error) {
  process.exitCode = 1;
  process.stderr.write(isExpected(error) ? `${error.message}\n` : `${(error as Error).stack}\n`);
}

// A collector that does not answer would be tried again and again, and the process kept alive for that alone.
if (hasUnsentTraces) process.exit();

/** Without a command it serves; the others are tools for operators. */
async function run([command, ...words]: readonly string[]): Promise<void> {
  // It needs no configuration of a server: that may be on another machine.
  if (command === 'export') {
    const stopping = new AbortController();
    void nextStopSignal().then(() => stopping.abort());
    process.exitCode = await runExport(words, home, stopping.signal);
    return;
  }
  const config = loadConfig(process.env);
  if (command === undefined) return serve(config);
  if (command !== 'doctor') throw new UnknownCommand(command);
  process.exitCode = await runDoctor(words, config, home);
}

async function serve(given: DaybookConfig): Promise<void> {
  // From the beginning: Ctrl-C while PostgreSQL is starting must stop that too.
  const stopSignal = nextStopSignal();
  const tracing = await startTracing(given.tracing);
  const isDevelopment = !hasAuthConfiguration(given.auth);
  // While PostgreSQL starts, which takes longer.
  const starting = isDevelopment && needsVenue(given) ? startVenue(given, stopSignal) : undefined;
  const postgres =
    given.databaseUrl === undefined
      ? await startEmbeddedPostgres({ home, onUnexpectedExit: giveUp })
      : undefined;
  try {
    const access = isDevelopment ? await openDevelopmentAccess(home) : undefined;
    const venue = await starting;
    const config = {
      ...given,
      exchange: { ...given.exchange, ...venue?.access },
      databaseUrl: given.databaseUrl ?? (postgres as EmbeddedPostgres).url,
      auth: access === undefined ? given.auth : { ...given.auth, jwtSecret: access.secret },
    };
    const app = await createApp(config, access?.token);
    try {
      announceClosing(app);
      if (config.loadDemoData ?? (postgres !== undefined && (await isDemoDataMissing(app))))
        await loadDemoData(app);
      await listen(app, config);
      greet(app, config, access?.token, venue?.access.url);
      await stopSignal;
    } finally {
      // After a failure too: its timers and connections would keep a process alive that serves nobody.
      await stopGracefully(app);
    }
  } finally {
    const venue = await starting;
    const [areTracesSent] = await Promise.all([tracing?.stop(), postgres?.stop(), venue?.stop()]);
    hasUnsentTraces = areTracesSent === false;
  }
}

/** Whether this process would place orders, ask about them, or deal with what becomes of them, and has no venue. */
function needsVenue({ exchange, roles }: DaybookConfig): boolean {
  return exchange.url === undefined && roles.some((role) => role !== 'worker');
}

function startVenue(
  { databaseUrl }: DaybookConfig,
  stopSignal: Promise<void>,
): Promise<DevelopmentVenue | undefined> {
  return startDevelopmentVenue(home, databaseUrl, stopSignal, (line) => process.stderr.write(`${line}\n`));
}

/** Resolves with the first SIGTERM or SIGINT; a second one ends the process at once. */
function nextStopSignal(): Promise<void> {
  return new Promise((resolve) => {
    let isStopping = false;
    const onSignal = () => {
      if (isStopping) process.exit(130);
      isStopping = true;
      resolve();
    };
    process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
  });
}

/** Without its database the server cannot even stop gracefully. */
function giveUp(error: Error): never {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
}

/** A port that was chosen is used or refused; the default one gives way to the next that is free. */
async function listen(app: NestFastifyApplication, { port, host }: DaybookConfig): Promise<void> {
  const isChosen = process.env['PORT'] !== undefined;
  const candidates = isChosen ? [port] : [port, port + 1, port + 2, port + 3, 0];
  for (const candidate of candidates) {
    try {
      await app.listen(candidate, host);
      return;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EADDRINUSE' && code !== 'EACCES') throw error;
      if (candidate === candidates.at(-1)) throw new PortUnavailable(host, candidate, code);
    }
  }
}

function greet(
  app: NestFastifyApplication,
  config: DaybookConfig,
  token: string | undefined,
  venueUrl: string | undefined,
): void {
  const { port } = app.getHttpServer().address() as AddressInfo;
  const origin = `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`;
  const lines = [`API         ${origin}/api/v1`, `Swagger UI  ${origin}/docs`];
  if (venueUrl !== undefined) lines.push(`Exchange    ${venueUrl} (simulated)`);
  if (token !== undefined) lines.push(`Token       ${token}`);
  process.stdout.write(`${lines.join('\n')}\n`);
}
