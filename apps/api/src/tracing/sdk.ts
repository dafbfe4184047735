import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';

import { context, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { setGlobalErrorHandler, W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import {
  defaultResource,
  detectResources,
  type Resource,
  resourceAttributesEnvDetector,
  resourceFromAttributes,
  serviceNameEnvDetector,
} from '@opentelemetry/resources';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';

import type { TracingConfig } from '@daybook/platform';

import { ExportReport, ReportedExporter } from './export-report.js';
import { samplerOf } from './samplers.js';

export interface Tracing {
  /**
   * Sends what is left, for a moment.
   * @returns whether all of it is gone; if not, attempts to send it go on and keep the process alive for a while
   */
  stop(): Promise<boolean>;
}

/** How long the process waits for a collector when it stops. */
const FAREWELL_MS = 2_000;
/** A batch is linked with as many commands as it holds at most. */
const LINKS_PER_SPAN = 250;

export function startSdk(config: TracingConfig): Tracing {
  const report = new ExportReport();
  // Whatever else goes wrong on the way out; by itself it would write to the console with each attempt.
  setGlobalErrorHandler((error) => report.failed(error));
  const exporter = config.protocol === 'http/json' ? new JsonExporter() : new ProtobufExporter();
  const provider = new TracerProvider({
    resource: resource(),
    sampler: samplerOf(config),
    spanLimits: { linkCountLimit: LINKS_PER_SPAN },
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: new ReportedExporter(exporter, report),
        scheduledDelayMillis: config.sendEveryMs,
        maxExportBatchSize: config.sendAtMost,
        maxQueueSize: config.queueLength,
      }),
    ],
  });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager());
  // Without baggage: what callers put in there is none of our own, and is not passed on.
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(provider);
  return { stop: () => shutDown(provider, report) };
}

/** Several processes serve under one name. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES have the last word. */
function resource(): Resource {
  const own = resourceFromAttributes({
    'service.name': 'daybook',
    'service.instance.id': randomUUID(),
    'host.name': hostname(),
    'process.pid': process.pid,
  });
  const detectors = [resourceAttributesEnvDetector, serviceNameEnvDetector];
  return defaultResource().merge(own).merge(detectResources({ detectors }));
}

async function shutDown(provider: TracerProvider, report: ExportReport): Promise<boolean> {
  const waiting = new AbortController();
  const sent = provider.shutdown().then(
    () => true,
    (error: unknown) => {
      report.failed(error);
      return true;
    },
  );
  const late = pause(FAREWELL_MS, false, { signal: waiting.signal }).catch(() => false);
  const isDone = await Promise.race([sent, late]);
  waiting.abort();
  if (!isDone) report.failed(new Error(`The collector has not taken them within ${FAREWELL_MS} ms`));
  return isDone;
}
