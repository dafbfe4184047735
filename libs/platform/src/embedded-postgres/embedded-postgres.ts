import { join } from 'node:path';

import { defaultFallbackHome, findPlace } from './cluster-place.js';
import { createCluster, openCluster, removeAbandonedStaging } from './cluster.js';
import type { EmbeddedPostgresError } from './embedded-postgres.errors.js';
import { findServerAccount } from './server-account.js';
import { findInstalledBuild, usableBinaries } from './server-binaries.js';
import { ServerKeeper } from './server-keeper.js';
import { ServerLog } from './server-log.js';
import { APPLICATION } from './server-session.js';
import { serverSettings } from './server-settings.js';

export interface EmbeddedPostgresOptions {
  /** The directory that Daybook keeps its things in, such as `<checkout>/.daybook`; created if missing. */
  readonly home: string;
  /** True by default: what is committed survives a power failure. False is for tests. */
  readonly durable?: boolean;
  /** 200 by default. */
  readonly maxConnections?: number;
  /** Takes one line of text about what happens, such as a copy being made or a server being brought back. */
  readonly log?: (line: string) => void;
  /**
   * Called once if the server died and could not be brought back: there is no database any more, and the process
   * should end. By default this error is thrown and ends the process by itself.
   */
  readonly onUnexpectedExit?: (error: EmbeddedPostgresError) => void;
  /** Where the data goes if the server cannot use `home`. By default a directory of the machine or of the user. */
  readonly fallbackHome?: string;
}

/** A running PostgreSQL. If it dies, it is brought back at the same URL. */
export interface EmbeddedPostgres {
  /** `postgres://daybook:<password>@127.0.0.1:<port>/daybook`; the role owns the database and may create others. */
  readonly url: string;
  readonly dataDirectory: string;
  /** True when this start made the cluster: its database is empty. */
  readonly created: boolean;
  /** Stops the server and leaves the data. While other Daybook processes use the server, it is left running. */
  stop(): Promise<void>;
}

/**
 * Starts the PostgreSQL that npm installed, on a data directory of this home, which the first start creates. Processes
 * that share a home share the server. One that survived the death of its process is taken over.
 * @throws {EmbeddedPostgresError} with a message that says what to do.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { home, durable = true, maxConnections = 200, log = ignore, onUnexpectedExit = raise } = options;
  const nodesAccount = await findServerAccount();
  const fallbackHome = options.fallbackHome ?? defaultFallbackHome(nodesAccount);
  const build = await findInstalledBuild();
  const place = await findPlace({ home, fallbackHome, account: nodesAccount, log });
  const { account } = place;
  const binaries = await usableBinaries(build, account, fallbackHome, log);
  await removeAbandonedStaging(place);
  const created = !place.exists && (await createCluster(place, binaries, durable));
  const cluster = await openCluster(place, binaries);
  const settings = await serverSettings(
    { durable, maxConnections },
    binaries,
    cluster.dataDirectory,
    account,
  );
  const serverLog = new ServerLog(join(cluster.directory, 'postgres.log'));
  const keeper = new ServerKeeper({ cluster, binaries, settings, serverLog, log }, onUnexpectedExit);
  const port = await keeper.start();
  return {
    url: `postgres://${APPLICATION}:${cluster.password}@127.0.0.1:${port}/${APPLICATION}`,
    dataDirectory: cluster.dataDirectory,
    created,
    stop: () => keeper.stop(),
  };
}

function ignore(): void {}

function raise(error: EmbeddedPostgresError): never {
  throw error;
}
