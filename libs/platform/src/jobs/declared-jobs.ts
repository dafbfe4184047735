import { Inject, Injectable, type OnModuleInit, type Type } from '@nestjs/common';
import { DiscoveryService, Reflector } from '@nestjs/core';

import { CONFIG, type DaybookConfig } from '../config/config.js';
import { atIntervals, byCron, type Schedule } from './schedule.js';
import { JOB, type JobDeclaration, type RunsJob } from './scheduled-job.js';

const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
// The longest statement takes 10 s and the pause behind it as long again: a lease must outlast both.
const SHORTEST_LEASE_SECONDS = 30;
const LONGEST_LEASE_SECONDS = 3_600;

/** Thrown at start: a job that would never run, or run as another one, is a mistake to be seen at once. */
export class BadJobDeclaration extends Error {
  constructor(job: string, complaint: string) {
    super(`The job ${job} ${complaint}`);
    this.name = 'BadJobDeclaration';
  }
}

/** A job of one of the modules, and what does it. */
export interface DeclaredJob extends Pick<JobDeclaration, 'name' | 'leaseSeconds' | 'description'> {
  readonly schedule: Schedule;
  readonly runner: RunsJob;
}

/** Finds the jobs of all modules. @throws {BadJobDeclaration} at start */
@Injectable()
export class DeclaredJobs implements OnModuleInit {
  private byName: ReadonlyMap<string, DeclaredJob> = new Map();

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly reflector: Reflector,
    @Inject(CONFIG) private readonly config: DaybookConfig,
  ) {}

  /** By name. */
  get all(): readonly DeclaredJob[] {
    return [...this.byName.values()];
  }

  get names(): readonly string[] {
    return [...this.byName.keys()];
  }

  find(name: string): DeclaredJob | undefined {
    return this.byName.get(name);
  }

  onModuleInit(): void {
    const jobs = this.discovery.getProviders().flatMap((provider) => {
      const { metatype, instance } = provider;
      if (typeof metatype !== 'function') return [];
      const declaration = this.reflector.get<JobDeclaration | undefined>(JOB, metatype as Type);
      if (declaration === undefined) return [];
      // What is made for each request anew is only an empty shell when the clock strikes.
      if (!provider.isDependencyTreeStatic())
        throw new BadJobDeclaration(declaration.name, 'needs a provider that lives as long as the server');
      return [checked(declaration, instance as object, this.config)];
    });
    jobs.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const [index, { name }] of jobs.entries())
      if (jobs[index + 1]?.name === name) throw new BadJobDeclaration(name, 'is declared twice');
    this.byName = new Map(jobs.map((job) => [job.name, job]));
  }
}

function checked(declaration: JobDeclaration, runner: object, config: DaybookConfig): DeclaredJob {
  const { name, leaseSeconds, description } = declaration;
  const refuse = (complaint: string) => new BadJobDeclaration(name, complaint);
  if (!NAME.test(name)) throw refuse('needs a name of lower-case words with hyphens between them');
  if (!(leaseSeconds >= SHORTEST_LEASE_SECONDS && leaseSeconds <= LONGEST_LEASE_SECONDS))
    throw refuse(`needs a lease of ${SHORTEST_LEASE_SECONDS} to ${LONGEST_LEASE_SECONDS} seconds`);
  if (description.trim() === '') throw refuse('needs a description');
  if (!('run' in runner) || typeof runner.run !== 'function') throw refuse('needs a method run');
  return {
    name,
    leaseSeconds,
    description,
    runner: runner as RunsJob,
    schedule: scheduleOf(declaration, config),
  };
}

function scheduleOf(declaration: JobDeclaration, config: DaybookConfig): Schedule {
  const wanted = 'cron' in declaration ? declaration.cron : declaration.everySeconds(config);
  try {
    return typeof wanted === 'string' ? byCron(wanted, config.businessTimezone) : atIntervals(wanted);
  } catch (error) {
    const complaint = `cannot run by "${wanted}": ${(error as Error).message}`;
    throw Object.assign(new BadJobDeclaration(declaration.name, complaint), { cause: error });
  }
}
