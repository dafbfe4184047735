import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';

import { projectRoot } from '@daybook/platform';

/** A simulated exchange, for as long as this process lives. */
export interface DevelopmentVenue {
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * Starts the exchange simulator beside this process. Its orders outlive it, as ours do; processes that share them share the
 * simulator.
 * @param home the folder that also holds the embedded database
 * @param databaseUrl undefined for the embedded one
 * @param report takes one line of text when it cannot start, or ends
 * @returns undefined when it could not start: then there is no venue
 */
export async function startDevelopmentVenue(
  home: string,
  databaseUrl: string | undefined,
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
  const url = await Promise.race([firstMessage(child), ended.then(() => undefined)]);
  if (url === undefined) {
    report('The exchange simulator did not start: there is no exchange to place orders at.');
    return undefined;
  }
  let isStopping = false;
  // The one of another process has said where it is and ends.
  void ended.then((isGood) => {
    if (!isStopping && !isGood)
      report('The exchange simulator has died; no orders can be placed until Daybook is started again.');
  });
  // It keeps nobody alive: neither one that has failed to start, nor one that is done.
  child.unref();
  child.channel?.unref();
  return {
    url,
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

/** Resolves with whether it ended as it should; one that cannot even be started has ended, too. */
function endOf(child: ChildProcess): Promise<boolean> {
  return new Promise((resolve) => {
    child.once('error', () => resolve(false)).once('exit', (code) => resolve(code === 0));
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
