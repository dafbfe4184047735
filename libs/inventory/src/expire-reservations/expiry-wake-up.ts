import { setTimeout as pause } from 'node:timers/promises';

import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { DataSource } from 'typeorm';

import { CONFIG, type DaybookConfig, systemContext } from '@daybook/platform';

import { ExpireReservations } from './expire-reservations.command.js';

// A reservation made for a second by another process is noticed in time.
const LOOK_EVERY_MS = 400;
const BATCH_SIZE = 100;
// Whatever is overdue for longer was missed by all wake-ups: the sweep takes it, slowly and on one replica.
const DUE_WITHIN_SECONDS = 60;
const PAUSE_AFTER_ERROR_MS = 1_000;

// The bound keeps a backlog, which is the sweep's, out of the way.
const NEXT_DUE = `
  SELECT (extract(epoch FROM expires_at - business_now()) * 1000)::float8 AS due_in_ms FROM reservations
  WHERE status = 'active' AND expires_at > (SELECT business_now()) - make_interval(secs => $1)
  ORDER BY expires_at LIMIT 1`;

/**
 * Expires each reservation when it is due, well within a second, as long as one scheduler lives. Every scheduler does
 * so; whoever is first has done it.
 */
@Injectable()
export class ExpiryWakeUp implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('ExpiryWakeUp');
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;

  constructor(
    private readonly commands: CommandBus,
    @Inject(DataSource) private readonly database: DataSource,
    @Inject(CONFIG) private readonly config: DaybookConfig,
  ) {}

  onApplicationBootstrap(): void {
    if (this.config.roles.includes('scheduler')) this.running = this.keepWatch();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async keepWatch(): Promise<void> {
    let isFailing = false;
    while (!this.stopping.signal.aborted) {
      try {
        await this.wait(await this.expireDue());
        isFailing = false;
      } catch (error) {
        // Must not end: the database may be away for a while. One line per outage is enough.
        if (!isFailing) this.logger.warn({ err: error, message: 'Due reservations cannot be expired' });
        isFailing = true;
        await this.wait(PAUSE_AFTER_ERROR_MS);
      }
    }
  }

  /** @returns for how many milliseconds there is nothing to do */
  private async expireDue(): Promise<number> {
    const [next] = (await this.database.query(NEXT_DUE, [DUE_WITHIN_SECONDS])) as { due_in_ms: number }[];
    const dueInMs = next?.due_in_ms ?? LOOK_EVERY_MS;
    if (dueInMs > 0) return Math.min(dueInMs, LOOK_EVERY_MS);
    const startedAt = performance.now();
    const options = { dueWithinSeconds: DUE_WITHIN_SECONDS };
    const context = systemContext('expire-due-reservations');
    await this.commands.execute(new ExpireReservations(BATCH_SIZE, context, options));
    // As long a rest as the work took: orders go on meanwhile, and locked ones come free.
    return performance.now() - startedAt;
  }

  private async wait(ms: number): Promise<void> {
    await pause(Math.ceil(ms), undefined, { signal: this.stopping.signal }).catch((error: unknown) => {
      if (!this.stopping.signal.aborted) throw error;
    });
  }
}
