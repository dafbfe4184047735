import { once } from 'node:events';
import { chown, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';

import { homeHash } from './cluster-place.js';
import type { Cluster } from './cluster.js';
import { EmbeddedPostgresError, isSystemError } from './embedded-postgres.errors.js';

const PORT_FILE = 'port';

/** Ports of the embedded servers: below those that Linux and macOS hand out to outgoing connections. */
const FIRST_PORT = 20_000;
const PORTS = 10_000;

/** The port of the last start if it is free, else the next free one after a number that is the cluster's own. */
export async function choosePort(cluster: Cluster): Promise<number> {
  const offset = Number.parseInt(homeHash(cluster.directory), 16) % PORTS;
  const remembered = await rememberedPort(cluster);
  if (remembered && (await isFree(remembered))) return remembered;
  for (let step = 0; step < PORTS; step += 1) {
    const port = FIRST_PORT + ((offset + step) % PORTS);
    if (await isFree(port)) return port;
  }
  throw new EmbeddedPostgresError(
    'start_failed',
    `PostgreSQL finds no free port between ${FIRST_PORT} and ${FIRST_PORT + PORTS - 1} on this machine.`,
  );
}

async function rememberedPort({ directory }: Cluster): Promise<number | undefined> {
  try {
    const port = Number(await readFile(join(directory, PORT_FILE), 'utf8'));
    return port > 0 && port < 65_536 ? port : undefined;
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined;
    throw error;
  }
}

export async function rememberPort({ directory, account }: Cluster, port: number): Promise<void> {
  const file = join(directory, PORT_FILE);
  await writeFile(file, `${port}\n`);
  if (account) await chown(file, account.uid, account.gid);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return true;
  } catch (error) {
    if (isSystemError(error, 'EADDRINUSE', 'EACCES')) return false;
    throw error;
  } finally {
    server.close();
  }
}
