import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { projectRoot } from '@daybook/platform';

/** It may have to put many reports together again. */
const START_MS = 60_000;

/** A simulated exchange, for as long as this process lives. */
export interface DevelopmentVenue {
  /** Where it is, and what it wants to be shown. */
  readonly access: { readonly url: string; readonly token?: string };
  stop(): Promise<void>;
}

/**
 * Starts the exchange simulator beside this process. Its orders outlive it, as ours do; of processes that share them one has the
 * simulator, and when it ends, another one goes on with it at the same address.
 * @param home the folder that also holds the embedded database
 * @param databaseUrl undefined for the embedded one
 * @param stopSignal resolves when this process has to stop; then it is not waited for
 * @param report takes one line of text when it cannot start, or ends
 * @returns undefined when it could not start: then there is no venue
 */
export async function startDevelopmentVenue(
  home: string,
  databaseUrl: string | undefined,
  stopSignal: Promise<void>,
  report: (line: string) => void,
): Promise<DevelopmentVenue | undefined> {
  const program = join(projectRoot(), 'dist/apps/exchange-simulator/main.js');
  const child = spawn(process.execPath, ['--enable-source-maps', program], {
    env: {
      EXCHANGE_SIMULATOR_PORT: '0',
      EXCHANGE_SIMULATOR_STATE_FILE: stateFile(home, databaseUrl),
      ...ofSimulator(process.env),
    },
    // What it prints is said here; when this process ends, however, the channel does, and it with the channel.
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const ended = endOf(child);
  let isStopping = false;
  const stopped = stopSignal.then(() => {
    isStopping = true;
  });
  const noAnswer = Promise.race([
    ended.then(() => undefined),
    stopped,
    pause(START_MS, undefined, { ref: false }),
  ]);
  const url = await Promise.race([firstMessage(child), noAnswer]);
  if (url === undefined) {
    child.kill('SIGKILL');
    if (!isStopping) report('The exchange simulator did not start: there is no exchange to place orders at.');
    return undefined;
  }
  void ended.then(() => {
    if (!isStopping)
      report('The exchange simulator has died; no orders can be placed until Daybook is started again.');
  });
  // It keeps nobody alive: neither one that has failed to start, nor one that is done.
  child.unref();
  child.channel?.unref();
  const token = process.env['EXCHANGE_SIMULATOR_TOKEN']?.trim() ?? '';
  return {
    access: { url, ...(token !== '' && { token }) },
    stop: async () => {
      isStopping = true;
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.ref();
      child.kill('SIGTERM');
      await ended;
    },
  };
}

function firstMessage(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => child.once('message', (message: { url: string }) => resolve(message.url)));
}

/** One that cannot even be started has ended, too. */
function endOf(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once('error', () => resolve()).once('exit', () => resolve());
  });
}

/** A database has orders at the venue that has them, and at no other. */
function stateFile(home: string, databaseUrl: string | undefined): string {
  if (databaseUrl === undefined) return join(home, 'exchange-simulator.ndjson');
  const hash = createHash('sha256').update(databaseUrl).digest('hex').slice(0, 12);
  return join(home, `exchange-simulator-${hash}.ndjson`);
}

function ofSimulator(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(environment).filter(([name]) => name.startsWith('EXCHANGE_SIMULATOR_')),
  );
}
