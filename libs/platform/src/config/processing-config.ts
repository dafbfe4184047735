import { defined, type EnvironmentReader, isHttpUrl, isLongEnough } from './environment-reader.js';

/** How orders are worked off. */
export interface ProcessingConfig {
  /** Orders that one process works on at a time. */
  readonly workerCount: number;
  /** An attempt that takes longer is given up and counts as timed out. */
  readonly timeLimitSeconds: number;
  /** How often an order is tried before it fails. */
  readonly attempts: number;
  /** The pause before the second attempt, at least; it doubles with each further one. */
  readonly retryDelaySeconds: number;
  /** A worker that was not heard of for so long is taken for dead, and its orders go to others. */
  readonly leaseSeconds: number;
  /** How long a process that stops waits for the orders it is working on. */
  readonly graceSeconds: number;
  /** A normal order that has waited for longer gets its share of the workers whatever the number of high ones. */
  readonly agingSeconds: number;
  readonly processor: 'simulated' | 'http';
  /** How many of a hundred attempts the simulated processor lets fail. */
  readonly simulatedFailurePercent: number;
  /** Where the HTTP processor sends orders. */
  readonly processorUrl?: string;
  /** What its requests and their callbacks are signed with. */
  readonly processorSecret?: string;
  /** How long an order waits for the callback of a service that answered 202. */
  readonly callbackTimeoutSeconds: number;
}

export function readProcessingConfig(read: EnvironmentReader): ProcessingConfig {
  const processor = read.choice('ORDER_PROCESSOR', 'simulated', ['simulated', 'http']);
  const config: ProcessingConfig = {
    workerCount: read.integer('WORKER_COUNT', 10, 1, 1_000),
    timeLimitSeconds: read.integer('ORDER_PROCESS_TIMEOUT_SECONDS', 30, 1, 86_400),
    attempts: read.integer('ORDER_PROCESS_ATTEMPTS', 3, 1, 20),
    retryDelaySeconds: read.integer('ORDER_RETRY_DELAY_SECONDS', 1, 1, 3_600),
    leaseSeconds: read.integer('WORKER_LEASE_SECONDS', 10, 3, 300),
    graceSeconds: read.integer('WORKER_GRACE_SECONDS', 10, 0, 300),
    agingSeconds: read.integer('ORDER_AGING_SECONDS', 60, 1, 86_400),
    processor,
    simulatedFailurePercent: read.integer('SIMULATED_FAILURE_PERCENT', 0, 0, 100),
    ...defined('processorUrl', read.optional('ORDER_PROCESSOR_URL', isHttpUrl, 'must be an http(s) URL')),
    ...defined(
      'processorSecret',
      read.secret('ORDER_PROCESSOR_SECRET', isLongEnough, 'must have at least 32 characters'),
    ),
    callbackTimeoutSeconds: read.integer('ORDER_CALLBACK_TIMEOUT_SECONDS', 1_800, 1, 604_800),
  };
  if (processor === 'http') {
    if (config.processorUrl === undefined)
      read.problems.push('ORDER_PROCESSOR=http needs ORDER_PROCESSOR_URL');
    if (config.processorSecret === undefined)
      read.problems.push('ORDER_PROCESSOR=http needs ORDER_PROCESSOR_SECRET');
  }
  return config;
}
