import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from '../support/child-server.ts';
import { owned } from '../support/lifetime.ts';

const FOLDERS = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
// On a disk, beside the benchmark's databases, and not in a /tmp in memory.
const HOME = new URL('../../.daybook/', import.meta.url).pathname;
const READY_WITHIN_MS = 10_000;

export interface Broker {
  readonly url: string;
  readonly processId: number;
  stop(): Promise<void>;
}

/** The nats-server of this machine with JetStream on a disk of its own; undefined when there is none. */
export async function openBroker(): Promise<Broker | undefined> {
  const program = FOLDERS.map((folder) => join(folder, 'nats-server')).find((path) => existsSync(path));
  if (program === undefined) return undefined;
  const port = await freePort();
  const disk = await mkdtemp(join(HOME, 'bench-nats-'));
  const child = spawn(
    program,
    ['--addr', '127.0.0.1', '--port', String(port), '--jetstream', '--store_dir', disk],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    },
  );
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => void (said += chunk.toString()));
  const exited = once(child, 'exit');
  const stop = owned(async () => {
    child.kill('SIGTERM');
    await exited;
    await rm(disk, { recursive: true, force: true });
  });
  const deadline = Date.now() + READY_WITHIN_MS;
  while (!said.includes('Server is ready')) {
    if (child.exitCode !== null || Date.now() > deadline)
      throw new Error(`nats-server did not start:\n${said}`);
    await pause(20);
  }
  return { url: `nats://127.0.0.1:${port}`, processId: child.pid ?? 0, stop };
}
