import type { ChildProcess } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';

import type { Cluster } from './cluster.js';
import { EmbeddedPostgresError } from './embedded-postgres.errors.js';
import { findPostmaster, launchPostmaster, stopPostmaster, type RunningPostmaster } from './postmaster.js';
import type { ServerBinaries } from './server-binaries.js';
import type { ServerLog } from './server-log.js';
import { choosePort, rememberPort } from './server-port.js';
import { isConnectionLoss, ServerSession } from './server-session.js';
import type { ServerSettings } from './server-settings.js';

/** What it takes to run the server of a cluster. */
export interface ServerPlan {
  readonly cluster: Cluster;
  readonly binaries: ServerBinaries;
  readonly settings: ServerSettings;
  readonly serverLog: ServerLog;
  readonly log: (line: string) => void;
}

export interface Connected {
  readonly session: ServerSession;
  readonly port: number;
}

const POLL_MS = 20;
const RETRY_MS = 250;
/** What a killed server leaves behind (its children and their shared memory) is gone long before this. */
const LAUNCH_LIMIT_MS = 90_000;
/** Recovery after a crash reads up to max_wal_size of log, which takes a slow disk minutes. */
const READY_LIMIT_MS = 15 * 60_000;
const SILENCE_MS = 2_000;

/** Why a server could not start that will be able to in a moment. */
const PASSING = /pre-existing shared memory block|lock file ".*" (already exists|is empty)/;
const PORT_TAKEN = /could not create any TCP\/IP sockets/;

/**
 * One effort to get a server running on the cluster and to be connected to it. A server that is there already is
 * joined, whoever started it: another Daybook that lives, or one that was killed. Any number of processes may try at
 * the same time; PostgreSQL's own lock on the data directory lets one server live, and all end up connected to it.
 */
export class BringUp {
  private child?: ChildProcess;
  private logPosition = 0;
  private readonly since = Date.now();
  private explained = false;

  /** @param fixedPort the port to come back on, once somebody has been told it. */
  constructor(
    private readonly plan: ServerPlan,
    private readonly fixedPort?: number,
  ) {}

  /** @returns undefined when it was cancelled. */
  async run(isCancelled: () => boolean): Promise<Connected | undefined> {
    while (!isCancelled()) {
      const running = await findPostmaster(this.plan.cluster.dataDirectory);
      if (running) {
        const session = running.ready ? await this.join(running) : this.wait();
        if (session) return { session, port: running.port };
      } else if (this.child === undefined) {
        await this.launch();
      } else if (this.child.exitCode !== null || this.child.signalCode !== null) {
        await this.judgeExit(this.child);
        await this.launch();
      }
      await delay(POLL_MS);
    }
    return undefined;
  }

  /** Stops the server if this effort started it and failed afterwards. */
  async abandon(): Promise<void> {
    if (this.child) await stopPostmaster(this.plan.cluster.dataDirectory, this.plan.log);
  }

  private wait(): undefined {
    const waitedMs = Date.now() - this.since;
    if (waitedMs > READY_LIMIT_MS) throw this.failure('it does not become ready to accept connections');
    if (waitedMs > SILENCE_MS && !this.explained) {
      this.plan.log('PostgreSQL is still starting or stopping; after a crash it first recovers its data.');
      this.explained = true;
    }
  }

  private async launch(): Promise<void> {
    const { cluster, binaries, settings, serverLog } = this.plan;
    const port = this.fixedPort ?? (await choosePort(cluster));
    await serverLog.rotate();
    this.logPosition = await serverLog.size();
    const logFile = await serverLog.open(cluster.account);
    try {
      const { dataDirectory, account } = cluster;
      const launch = {
        program: binaries.postgres,
        dataDirectory,
        port,
        settings,
        account,
        logFile: logFile.fd,
      };
      this.child = await launchPostmaster(launch);
    } finally {
      await logFile.close();
    }
  }

  /** Returns after a while if it is worth another try. */
  private async judgeExit(child: ChildProcess): Promise<void> {
    const words = await this.plan.serverLog.since(this.logPosition);
    const reason = words.split('\n').findLast((line) => /FATAL|PANIC/.test(line)) ?? words;
    const mayPass = child.signalCode !== null || PASSING.test(words) || PORT_TAKEN.test(words);
    if (!mayPass || Date.now() - this.since > LAUNCH_LIMIT_MS)
      throw this.failure(reason || 'it says nothing');
    await delay(RETRY_MS);
  }

  private async join(running: RunningPostmaster): Promise<ServerSession | undefined> {
    const { cluster, settings } = this.plan;
    if (this.fixedPort !== undefined && running.port !== this.fixedPort) {
      throw this.failure(`it came back on port ${running.port} instead of ${this.fixedPort}`);
    }
    const session = await ServerSession.open(cluster, running.port);
    if (!session) return this.wait();
    try {
      const deviating = await session.deviatingSettings(settings);
      if (deviating.length === 0 || !(await this.replace(session, deviating))) {
        await session.ensureApplication(cluster.password);
        await rememberPort(cluster, running.port);
        return session;
      }
    } catch (error) {
      await session.close();
      if (!isConnectionLoss(error)) throw error;
      return undefined;
    }
    await session.close();
    return undefined;
  }

  /** Stops a server with other settings, if nobody needs it, so that it can be started with those of the plan. */
  private async replace(session: ServerSession, deviating: string[]): Promise<boolean> {
    if (await session.isAlone()) {
      this.plan.log(
        `PostgreSQL was left running with other settings (${deviating.join(', ')}); restarting it.`,
      );
      await stopPostmaster(this.plan.cluster.dataDirectory, this.plan.log);
      return true;
    }
    if (deviating.includes('fsync') && this.plan.settings['fsync'] === 'on') {
      throw new EmbeddedPostgresError(
        'not_durable',
        `Another process runs the PostgreSQL in ${this.plan.cluster.directory} without safety against a power ` +
          `failure, as tests do. Stop that process first.`,
      );
    }
    return false;
  }

  private failure(reason: string): EmbeddedPostgresError {
    return new EmbeddedPostgresError(
      'start_failed',
      `PostgreSQL could not be started: ${reason}. Its log is ${this.plan.serverLog.path}.`,
    );
  }
}
