import { Inject, Injectable, type OnModuleInit, type Type } from '@nestjs/common';
import { DiscoveryService, Reflector } from '@nestjs/core';
import { CronTime } from 'cron';

import { CONFIG, type DaybookConfig } from '../config/config.js';
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
export interface DeclaredJob extends JobDeclaration {
  readonly runner: RunsJob;
  /** The first tick of its schedule that is later than the given time. */
  nextTickAfter(time: Date): Date;
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
      return [checked(declaration, instance as object, this.config.businessTimezone)];
    });
    jobs.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const [index, { name }] of jobs.entries())
      if (jobs[index + 1]?.name === name) throw new BadJobDeclaration(name, 'is declared twice');
    this.byName = new Map(jobs.map((job) => [job.name, job]));
  }
}

function checked(declaration: JobDeclaration, runner: object, timezone: string): DeclaredJob {
  const { name, cron, leaseSeconds, description } = declaration;
  const refuse = (complaint: string, cause?: unknown) =>
    Object.assign(new BadJobDeclaration(name, complaint), { cause });
  if (!NAME.test(name)) throw refuse('needs a name of lower-case words with hyphens between them');
  if (!(leaseSeconds >= SHORTEST_LEASE_SECONDS && leaseSeconds <= LONGEST_LEASE_SECONDS))
    throw refuse(`needs a lease of ${SHORTEST_LEASE_SECONDS} to ${LONGEST_LEASE_SECONDS} seconds`);
  if (description.trim() === '') throw refuse('needs a description');
  if (!('run' in runner) || typeof runner.run !== 'function') throw refuse('needs a method run');
  try {
    const schedule = new CronTime(cron, timezone);
    const nextTickAfter = (time: Date) => schedule.getNextDateFrom(time, timezone).toJSDate();
    // 30 February is only found out by looking for it.
    nextTickAfter(new Date());
    return { ...declaration, runner: runner as RunsJob, nextTickAfter };
  } catch (error) {
    throw refuse(`cannot run by "${cron}": ${(error as Error).message}`, error);
  }
}
