import type { ProcessRole } from '@daybook/platform';

import { type ServerProcess, startServerProcess } from '../support/server-process.js';

export interface Worker {
  /** What its sessions are called in the database. */
  readonly name: string;
  readonly server: ServerProcess;
}

/** Processes of one role, workers for instance, that are killed and replaced. Nobody but this keeps them. */
export class Crew {
  private readonly workers = new Set<Worker>();
  private readonly starting = new Set<Promise<void>>();
  private readonly outputs: string[] = [];
  private hired = 0;
  private isDismissed = false;

  /** @param environment of each of them, its role and its database aside */
  constructor(
    private readonly databaseUrl: string,
    private readonly environment: NodeJS.ProcessEnv,
    private readonly role: ProcessRole = 'worker',
  ) {}

  /** In the order in which they were hired. */
  get alive(): readonly Worker[] {
    return [...this.workers];
  }

  /** What all of them have said, the dead ones too. */
  get output(): string {
    return [...this.outputs, ...this.alive.map(({ server }) => server.output())].join('');
  }

  /** Resolves when so many more are at work. */
  async hire(count: number): Promise<void> {
    const hired = Array.from({ length: count }, () => this.hireOne());
    for (const one of hired) {
      this.starting.add(one);
      one.then(
        () => this.starting.delete(one),
        () => this.starting.delete(one),
      );
    }
    await Promise.all(hired);
  }

  /** kill -9, without a word of warning. */
  async kill(worker: Worker): Promise<void> {
    this.workers.delete(worker);
    await worker.server.end('SIGKILL');
    this.outputs.push(worker.server.output());
  }

  /** Ends all, and whoever is just being hired. */
  async dismiss(): Promise<void> {
    this.isDismissed = true;
    await Promise.allSettled(this.starting);
    await Promise.all(this.alive.map((worker) => this.kill(worker)));
  }

  private async hireOne(): Promise<void> {
    this.hired += 1;
    const name = `${this.role}-${this.hired}`;
    const url = new URL(this.databaseUrl);
    url.searchParams.set('application_name', name);
    const environment = { ...this.environment, DATABASE_URL: url.href, DAYBOOK_ROLES: this.role };
    const worker = { name, server: await startServerProcess(environment) };
    this.workers.add(worker);
    if (this.isDismissed) await this.kill(worker);
  }
}
