export { type Access, AuthGuard, declaredAccess, OpenOnLoopback, Public, Roles } from './auth/auth.guard.js';
export {
  type AuthConfig,
  CONFIG,
  type DaybookConfig,
  hasAuthConfiguration,
  InvalidConfiguration,
  isLoopback,
  loadConfig,
  type LogLevel,
  PROCESS_ROLES,
  type ProcessRole,
} from './config/config.js';
export type { ExchangeConfig } from './config/exchange-config.js';
export type { TracingConfig } from './config/tracing-config.js';
export { BoundedReads, QueryTooBroad } from './database/bounded-reads.js';
export { numberColumn, textColumn, textsIn } from './database/columns.js';
export { dataSourceOptions } from './database/data-source-options.js';
export {
  isConnectionLost,
  isLockTimeout,
  isPoolTimeout,
  sqlState,
  violatesUnique,
} from './database/database-errors.js';
export { migrate } from './database/migrations.js';
export { businessNow } from './database/business-time.js';
export { projectRoot } from './database/project-root.js';
export { readSetting } from './database/settings.js';
export { StatementValues } from './database/statement-values.js';
export {
  CommitOutcomeUnknown,
  inTransaction,
  isRepeatable,
  prepared,
  read,
  RetryTransaction,
  together,
} from './database/transaction.js';
export { EmbeddedPostgresError } from './embedded-postgres/embedded-postgres.errors.js';
export { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres/embedded-postgres.js';
export {
  DatabaseUnavailable,
  DomainError,
  type FieldError,
  Forbidden,
  NotFound,
  OutcomeUnknown,
  Overloaded,
  Unauthenticated,
  ValidationFailed,
  VersionConflict,
} from './errors/domain-error.js';
export { type ProblemDetails, ProblemDetailsFilter, toProblem } from './errors/problem-details.js';
export { DomainEvent, type EventData, type EventOrigin } from './events/domain-event.js';
export { type HandlesInTransaction, InTransactionHandler } from './events/in-transaction-handlers.js';
export {
  DatabaseGauges,
  declaredGauges,
  type Gauge,
  type GaugeReading,
  type ReadsGauges,
} from './gauges/database-gauges.js';
export { declaredSection, MetricsSection, type ReadsMetricsSection } from './gauges/metrics-sections.js';
export {
  GroupCommit,
  type GroupCommitLimits,
  type GroupCommitObserver,
  type Outcome,
} from './group-commit/group-commit.js';
export { Readiness } from './health/health.controller.js';
export { Answer, etag } from './http/answer.js';
export {
  ApiConflicts,
  ApiAccepted,
  ApiCreated,
  ApiErrors,
  ApiFiles,
  ApiIdempotent,
  ApiIfMatch,
  ApiPage,
  ApiRefused,
  ApiReplayable,
  ApiTooBroad,
  ApiVersioned,
  ProblemDocument,
} from './http/api-docs.js';
export { CursorCodec } from './http/cursor.js';
export {
  Cents,
  Choice,
  Choices,
  Currency,
  CursorField,
  Flag,
  Instant,
  Isin,
  isPosition,
  Items,
  Limit,
  NonZero,
  Position,
  Quantity,
  Sku,
  Text,
  Texts,
  TtlSeconds,
  UuidField,
  WarehouseCode,
  Whole,
  WholeText,
} from './http/fields.js';
export { InputPipe, parseInput } from './http/input.pipe.js';
export { NoBody } from './http/no-body.js';
export { OptionalBody } from './http/optional-body.js';
export { KeepRawBody, rawBodyOf } from './http/raw-body.js';
export { linkNextPage, type Page, toPage } from './http/page.js';
export {
  Context,
  Idempotency,
  IfMatch,
  isOperator,
  type RequestContext,
  type Role,
  ROLES,
  systemContext,
} from './http/request-context.js';
export { Life, type RequestLife } from './http/request-life.js';
export { ServerAdapter } from './http/server-adapter.js';
export { type StreamedFile, StreamedAnswers } from './http/streamed-answers.js';
export {
  canonicalJson,
  fingerprint,
  type IdempotencyClaim,
  IdempotencyStore,
} from './idempotency/idempotency.js';
export { ProvisionalAnswers } from './idempotency/provisional-answers.js';
export { JobRun, LeaseLost } from './jobs/job-run.js';
export { JobScheduler } from './jobs/job-scheduler.js';
export { type JobDeclaration, type RunsJob, ScheduledJob } from './jobs/scheduled-job.js';
export { type HeldLease, LeaseOvertaken, Leases } from './leases/leases.js';
export { SharedLeases } from './leases/shared-leases.js';
export { createPino, PinoLogger } from './logging/pino-logger.js';
export { DetachInterrupted, MonthsLeft, PartitionRetention } from './partitions/partition-retention.js';
export { DETACHED_UNTIL, type RowsInUse } from './partitions/partition-store.js';
export { PlatformModule } from './platform.module.js';
export {
  IllegalTransition,
  StateMachine,
  type StateMachineDefinition,
} from './state-machine/state-machine.js';
export { traceRequests } from './tracing/request-spans.js';
export {
  enableTracing,
  inSpan,
  isTracing,
  outsideTraces,
  type SpanOptions,
  startSpan,
  traceHeaders,
  type TraceHeaders,
  type TraceSpan,
} from './tracing/tracing.js';
export { type WriteBatch, type WriteCommand, WritePath, type Written } from './write-path/write-path.js';
