import { type EnvironmentReader, isHttpUrl } from './environment-reader.js';

const SAMPLERS = [
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
  'always_on',
  'always_off',
  'traceidratio',
] as const;
const PROTOCOLS = ['http/protobuf', 'http/json'] as const;

/**
 * Where traces go, and how many. By the variables of OpenTelemetry; those that are not here (headers, timeout,
 * compression, certificates, resource attributes) are read by its exporter itself.
 */
export interface TracingConfig {
  readonly protocol: (typeof PROTOCOLS)[number];
  readonly sampler: (typeof SAMPLERS)[number];
  /** The part of the traces that a sampler by ratio keeps. */
  readonly samplerRatio: number;
  /** Spans are sent together, so often and so many at most; more than fit into the queue are dropped. */
  readonly sendEveryMs: number;
  readonly sendAtMost: number;
  readonly queueLength: number;
}

/** @returns undefined when tracing is off; what is wrong with the rest of its variables does not matter then */
export function readTracingConfig(read: EnvironmentReader): TracingConfig | undefined {
  const disabled = read.optional('OTEL_SDK_DISABLED', isTrueOrFalse, 'must be true or false');
  if (disabled?.toLowerCase() === 'true' || !isWanted(read)) return undefined;
  const protocol = read.choice('OTEL_EXPORTER_OTLP_PROTOCOL', 'http/protobuf', PROTOCOLS);
  return {
    protocol: read.choice('OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', protocol, PROTOCOLS),
    sampler: read.choice('OTEL_TRACES_SAMPLER', 'parentbased_always_on', SAMPLERS),
    samplerRatio: Number(read.text('OTEL_TRACES_SAMPLER_ARG', '1', isRatio, 'must be a number from 0 to 1')),
    sendEveryMs: read.integer('OTEL_BSP_SCHEDULE_DELAY', 5_000, 1, 600_000),
    sendAtMost: read.integer('OTEL_BSP_MAX_EXPORT_BATCH_SIZE', 512, 1, 100_000),
    queueLength: read.integer('OTEL_BSP_MAX_QUEUE_SIZE', 2_048, 1, 1_000_000),
  };
}

/** By name, or by saying where to. */
function isWanted(read: EnvironmentReader): boolean {
  const exporter = read.optional('OTEL_TRACES_EXPORTER', isExporter, 'must be otlp or none');
  if (exporter === 'none') return false;
  const endpoints = ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT'].map((name) =>
    read.optional(name, isHttpUrl, 'must be an http(s) URL'),
  );
  return exporter !== undefined || endpoints.some((endpoint) => endpoint !== undefined);
}

const isTrueOrFalse = (value: string) => /^(true|false)$/i.test(value);
const isExporter = (value: string) => value === 'otlp' || value === 'none';
const isRatio = (value: string) => /^(\d+(\.\d*)?|\.\d+)$/.test(value) && Number(value) <= 1;
