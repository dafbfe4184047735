import { setTimeout as delay } from 'node:timers/promises';

import { BringUp, type Connected, type ServerPlan } from './bring-up.js';
import { EmbeddedPostgresError, messageOf } from './embedded-postgres.errors.js';
import { stopPostmaster } from './postmaster.js';
import { isConnectionLoss, type ServerSession } from './server-session.js';

/** A server that dies sooner than this after its start is not started again at once. */
const STABLE_AFTER_MS = 60_000;
const FIRST_BACKOFF_MS = 100;
const LONGEST_BACKOFF_MS = 5_000;
const LOG_CHECK_MS = 60_000;

/** Keeps the server running from start() to stop(), and brings it back when it dies. */
export class ServerKeeper {
  private session: ServerSession | undefined;
  private port = 0;
  private connectedAt = 0;
  private backoffMs = 0;
  private recovery: Promise<void> = Promise.resolve();
  private stopped: Promise<void> | undefined;
  private logCheck: NodeJS.Timeout | undefined;

  constructor(
    private readonly plan: ServerPlan,
    private readonly onUnexpectedExit: (error: EmbeddedPostgresError) => void,
  ) {}

  /** @returns the port, which stays the same until stop(). */
  async start(): Promise<number> {
    const effort = new BringUp(this.plan);
    try {
      const connected = await effort.run(() => false);
      if (connected) this.take(connected);
    } catch (error) {
      await effort.abandon();
      throw error;
    }
    this.logCheck = setInterval(() => this.boundLog(), LOG_CHECK_MS).unref();
    return this.port;
  }

  /** Stops the server, unless another Daybook process uses it; the last one to leave stops it. */
  stop(): Promise<void> {
    this.stopped ??= this.leave();
    return this.stopped;
  }

  private async leave(): Promise<void> {
    clearInterval(this.logCheck);
    await this.recovery;
    const session = this.session;
    if (!session) return;
    if (await this.isLast(session)) await stopPostmaster(this.plan.cluster.dataDirectory, this.plan.log);
    else this.plan.log('PostgreSQL keeps running for another Daybook process.');
    await session.close();
  }

  private async isLast(session: ServerSession): Promise<boolean> {
    try {
      return await session.leave();
    } catch (error) {
      // The server died this very moment. Whoever else needs it brings it back.
      if (isConnectionLoss(error)) return true;
      throw error;
    }
  }

  private take(connected: Connected): void {
    this.session = connected.session;
    this.port = connected.port;
    this.connectedAt = Date.now();
    connected.session.onLoss(() => {
      this.session = undefined;
      if (!this.stopped) this.recovery = this.recover();
    });
  }

  private async recover(): Promise<void> {
    this.plan.log('The connection to PostgreSQL was lost; bringing the server back.');
    const stable = Date.now() - this.connectedAt > STABLE_AFTER_MS;
    this.backoffMs = stable
      ? 0
      : Math.min(Math.max(this.backoffMs * 2, FIRST_BACKOFF_MS), LONGEST_BACKOFF_MS);
    const isCancelled = () => this.stopped !== undefined;
    const effort = new BringUp(this.plan, this.port);
    try {
      await pause(this.backoffMs, isCancelled);
      const connected = await effort.run(isCancelled);
      if (!connected) return await effort.abandon();
      this.take(connected);
      this.plan.log('PostgreSQL is back.');
    } catch (error) {
      // Nobody awaits a recovery, so this is the end of the line for any error: the application must hear of it.
      const message = `PostgreSQL died and could not be brought back: ${messageOf(error)}`;
      this.onUnexpectedExit(new EmbeddedPostgresError('server_lost', message, { cause: error }));
    }
  }

  private boundLog(): void {
    this.plan.serverLog.rotate().catch((error: unknown) => {
      this.plan.log(`The log of PostgreSQL could not be shortened: ${String(error)}`);
    });
  }
}

async function pause(ms: number, isCancelled: () => boolean): Promise<void> {
  for (const until = Date.now() + ms; Date.now() < until && !isCancelled();) await delay(20);
}
