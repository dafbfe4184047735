import { type DynamicModule, Global, Logger, Module } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_PIPE, DiscoveryModule } from '@nestjs/core';
import { CqrsModule } from '@nestjs/cqrs';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Registry } from 'prom-client';
import { DataSource } from 'typeorm';

import { AuthGuard } from './auth/auth.guard.js';
import { RateLimiter } from './auth/rate-limiter.js';
import { TokenVerifier } from './auth/token-verifier.js';
import { CONFIG, type DaybookConfig } from './config/config.js';
import { BoundedReads } from './database/bounded-reads.js';
import { dataSourceOptions } from './database/data-source-options.js';
import { migrate } from './database/migrations.js';
import { readSetting } from './database/settings.js';
import { ProblemDetailsFilter } from './errors/problem-details.js';
import { InTransactionEvents } from './events/in-transaction-handlers.js';
import { HealthController, Readiness } from './health/health.controller.js';
import { CursorCodec } from './http/cursor.js';
import { InputPipe } from './http/input.pipe.js';
import { StreamedAnswers } from './http/streamed-answers.js';
import { IdempotencyKeyPurge } from './idempotency/idempotency-key-purge.js';
import { IdempotencyStore } from './idempotency/idempotency.js';
import { ProvisionalAnswers } from './idempotency/provisional-answers.js';
import { DeclaredJobs } from './jobs/declared-jobs.js';
import { JobGauges } from './jobs/job-gauges.js';
import { JobRunPurge } from './jobs/job-run-purge.js';
import { JobScheduler } from './jobs/job-scheduler.js';
import { JobStore } from './jobs/job-store.js';
import { JobsController } from './jobs/jobs.controller.js';
import { ListJobRunsHandler } from './jobs/list-job-runs.query.js';
import { ListJobsHandler } from './jobs/list-jobs.query.js';
import { RunJobHandler } from './jobs/run-job.command.js';
import { Leases } from './leases/leases.js';
import { PartitionPreparation } from './partitions/partition-preparation.js';
import { PartitionRetention } from './partitions/partition-retention.js';
import { PartitionStore } from './partitions/partition-store.js';
import { WritePath } from './write-path/write-path.js';

const JOBS = [
  DeclaredJobs,
  JobStore,
  JobScheduler,
  ListJobRunsHandler,
  ListJobsHandler,
  RunJobHandler,
  IdempotencyKeyPurge,
  JobRunPurge,
  JobGauges,
];

/** What every module stands on. Global: a module of Daybook needs no import to use it. */
@Global()
@Module({})
export class PlatformModule {
  /** @param config with a database URL: the caller has already started the embedded server if there is none */
  static forRoot(config: DaybookConfig & { readonly databaseUrl: string }): DynamicModule {
    return {
      module: PlatformModule,
      imports: [
        CqrsModule.forRoot(),
        DiscoveryModule,
        TypeOrmModule.forRoot({
          ...dataSourceOptions(config.databaseUrl, config.databasePoolSize),
          autoLoadEntities: true,
          retryAttempts: 20,
          retryDelay: 500,
        }),
      ],
      controllers: [HealthController, JobsController],
      providers: [
        { provide: CONFIG, useValue: config },
        // One for each application, not prom-client's for the whole process: tests run several applications in one.
        { provide: Registry, useFactory: () => new Registry() },
        { provide: APP_GUARD, useClass: AuthGuard },
        { provide: APP_FILTER, useClass: ProblemDetailsFilter },
        { provide: APP_PIPE, useClass: InputPipe },
        { provide: CursorCodec, useFactory: prepareDatabase, inject: [DataSource] },
        { provide: StreamedAnswers, useFactory: () => new StreamedAnswers() },
        BoundedReads,
        TokenVerifier,
        RateLimiter,
        Readiness,
        InTransactionEvents,
        IdempotencyStore,
        ProvisionalAnswers,
        WritePath,
        ...JOBS,
        Leases,
        PartitionStore,
        PartitionPreparation,
        PartitionRetention,
      ],
      exports: [
        CONFIG,
        BoundedReads,
        CqrsModule,
        CursorCodec,
        Registry,
        Readiness,
        StreamedAnswers,
        IdempotencyStore,
        ProvisionalAnswers,
        WritePath,
        JobScheduler,
        Leases,
        PartitionRetention,
      ],
    };
  }
}

/** Migrates before anything can read a table; the cursor secret is the first thing read. */
async function prepareDatabase(database: DataSource): Promise<CursorCodec> {
  const applied = await migrate(database);
  if (applied.length > 0) new Logger('Database').debug({ applied });
  return new CursorCodec(await readSetting(database, 'cursor_secret'));
}
