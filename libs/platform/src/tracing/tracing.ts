import {
  type Attributes,
  type Context,
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from '@opentelemetry/api';

import { DomainError } from '../errors/domain-error.js';

let tracer: Tracer | undefined;

/** From now on spans are made, with the SDK that is registered. Called before the application is made, or never. */
export function enableTracing(): void {
  tracer = trace.getTracer('daybook');
}

export function isTracing(): boolean {
  return tracer !== undefined;
}

/** Where in a trace something was asked for, as it travels: `traceparent` and, if the caller sent one, `tracestate`. */
export type TraceHeaders = Readonly<Record<string, string>>;

export interface SpanOptions {
  readonly kind?: 'internal' | 'server' | 'client' | 'consumer';
  readonly attributes?: Attributes;
  /** What it is part of; `none`: a trace of its own. Absent: whatever span is active. */
  readonly parent?: TraceHeaders | 'none' | undefined;
  /** What it serves as well, in whatever traces. Without a parent it is sampled if any of them is. */
  readonly links?: readonly (TraceHeaders | TraceSpan)[];
  readonly startedAt?: Date;
}

/** One thing that was done, in a trace. While tracing is off there is one that does nothing. */
export interface TraceSpan {
  /** What it starts, and what it logs, belongs to the span. */
  run<T>(work: () => T): T;
  linkTo(other: TraceSpan): void;
  describe(attributes: Attributes): void;
  /** @param type a word of few: a class of errors, a code */
  fail(type: string, message: string): void;
  /** @param error what it ended with; a refusal for what was asked does not count as a failure of ours */
  end(error?: unknown): void;
}

const NO_SPAN: TraceSpan = {
  run: (work) => work(),
  linkTo: () => undefined,
  describe: () => undefined,
  fail: () => undefined,
  end: () => undefined,
};

const KINDS = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  consumer: SpanKind.CONSUMER,
};

/** Whoever starts a span ends it. */
export function startSpan(name: string, options: SpanOptions = {}): TraceSpan {
  if (tracer === undefined) return NO_SPAN;
  const { kind = 'internal', attributes = {}, parent, links = [], startedAt } = options;
  const within = contextOf(parent);
  const span = tracer.startSpan(
    name,
    {
      kind: KINDS[kind],
      attributes,
      links: links.flatMap((link) => spanContextOf(link) ?? []).map((linked) => ({ context: linked })),
      ...(startedAt && { startTime: startedAt }),
    },
    within,
  );
  return new RunningSpan(span, trace.setSpan(within, span));
}

/** Runs `work` in a span that ends with it. */
export async function inSpan<T>(
  name: string,
  options: SpanOptions,
  work: (span: TraceSpan) => Promise<T>,
): Promise<T> {
  const span = startSpan(name, options);
  try {
    const result = await span.run(() => work(span));
    span.end();
    return result;
  } catch (error) {
    span.end(error);
    throw error;
  }
}

/** True inside a span that somebody will see: what only a span tells need not be found out otherwise. */
export function isRecording(): boolean {
  return tracer !== undefined && (trace.getActiveSpan()?.isRecording() ?? false);
}

/** For whatever goes on elsewhere, in another process or after this one: the headers of a request, a part of a job. */
export function traceHeaders(): TraceHeaders | undefined {
  if (tracer === undefined || trace.getActiveSpan() === undefined) return undefined;
  const headers: Record<string, string> = {};
  propagation.inject(context.active(), headers);
  return headers;
}

/** Names the active span, for a line in the log. */
export function traceFields(): Readonly<Record<string, string>> {
  const active = trace.getActiveSpan()?.spanContext();
  return active === undefined ? {} : { trace_id: active.traceId, span_id: active.spanId };
}

/** What `work` does belongs to nobody's trace. */
export function outsideTraces<T>(work: () => T): T {
  return tracer === undefined ? work() : context.with(ROOT_CONTEXT, work);
}

function contextOf(parent: SpanOptions['parent']): Context {
  if (parent === undefined) return context.active();
  return parent === 'none' ? ROOT_CONTEXT : propagation.extract(ROOT_CONTEXT, parent);
}

function spanContextOf(link: TraceHeaders | TraceSpan): SpanContext | undefined {
  if (link instanceof RunningSpan) return link.context;
  return link === NO_SPAN ? undefined : trace.getSpanContext(contextOf(link as TraceHeaders));
}

class RunningSpan implements TraceSpan {
  constructor(
    private readonly span: Span,
    private readonly inside: Context,
  ) {}

  run<T>(work: () => T): T {
    return context.with(this.inside, work);
  }

  get context(): SpanContext {
    return this.span.spanContext();
  }

  linkTo(other: TraceSpan): void {
    const linked = spanContextOf(other);
    if (linked !== undefined) this.span.addLink({ context: linked });
  }

  describe(attributes: Attributes): void {
    this.span.setAttributes(attributes);
  }

  fail(type: string, message: string): void {
    this.span.setAttribute('error.type', type);
    this.span.setStatus({ code: SpanStatusCode.ERROR, message });
  }

  end(error?: unknown): void {
    if (error instanceof DomainError && error.status < 500) this.describe({ 'daybook.refusal': error.code });
    else if (error instanceof DomainError) this.fail(error.code, error.message);
    else if (error instanceof Error) this.fail(error.name, error.message);
    else if (error !== undefined) this.fail('_OTHER', 'What was thrown is no error');
    this.span.end();
  }
}
