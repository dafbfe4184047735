import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

import { projectRoot } from '@daybook/platform';

import { TEST_SECRET } from './app.js';

/** The built server in a process of its own, as it runs in production. Needs `npm run build`. */
export interface ServerProcess {
  readonly origin: string;
  readonly child: ChildProcess;
  /** Everything it has written so far. */
  output(): string;
  /** Sends the signal and resolves with the exit code, null when the signal killed it. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

/** Resolves when the server has said where it listens. */
export async function startServerProcess(environment: NodeJS.ProcessEnv): Promise<ServerProcess> {
  const bundle = join(projectRoot(), 'dist/apps/api/main.js');
  const endWithParent = pathToFileURL(join(projectRoot(), 'test/support/end-with-parent.mjs')).href;
  const child = spawn(process.execPath, ['--enable-source-maps', `--import=${endWithParent}`, bundle], {
    env: {
      PATH: process.env['PATH'],
      PORT: '0',
      AUTH_JWT_SECRET: TEST_SECRET,
      LOG_LEVEL: 'warn',
      DAYBOOK_ROLES: 'api,scheduler',
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit') as Promise<[number | null]>;
  let output = '';
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const lines = createInterface(child.stdout);
  const listening = new Promise<string>((resolve) => {
    lines.on('line', (line) => {
      output += `${line}\n`;
      const origin = /^API\s+(http:\S+)\/api\/v1$/.exec(line)?.[1];
      if (origin !== undefined) resolve(origin);
    });
  });
  const origin = await Promise.race([
    listening,
    exited.then(([code]) =>
      Promise.reject(new Error(`The server ended with ${code} before it listened:\n${output}`)),
    ),
  ]);
  return {
    origin,
    child,
    output: () => output,
    end: async (signal) => {
      child.kill(signal);
      return (await exited)[0];
    },
  };
}
