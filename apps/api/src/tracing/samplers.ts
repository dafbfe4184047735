import {
  type Attributes,
  type Context,
  type Link,
  type SpanKind,
  trace,
  TraceFlags,
} from '@opentelemetry/api';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  type Sampler,
  SamplingDecision,
  type SamplingResult,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace';

import type { TracingConfig } from '@daybook/platform';

/** As OTEL_TRACES_SAMPLER says, for requests; what many of them share is sampled with them. */
export function samplerOf({ sampler, samplerRatio }: TracingConfig): Sampler {
  const isParentBased = sampler.startsWith('parentbased_');
  const root = rootSamplers[sampler.replace('parentbased_', '') as keyof typeof rootSamplers](samplerRatio);
  return new SharedWorkSampler(isParentBased ? new ParentBasedSampler({ root }) : root);
}

const rootSamplers = {
  always_on: () => new AlwaysOnSampler(),
  always_off: () => new AlwaysOffSampler(),
  traceidratio: (ratio: number) => new TraceIdRatioBasedSampler(ratio),
};

/**
 * A batch has a trace of its own, linked with those of its requests. Sampled by itself it would seldom be there when one
 * of these is; so it is sampled if any of them is.
 */
class SharedWorkSampler implements Sampler {
  constructor(private readonly others: Sampler) {}

  shouldSample(
    parent: Context,
    traceId: string,
    name: string,
    kind: SpanKind,
    attributes: Attributes,
    links: Link[],
  ): SamplingResult {
    if (links.length === 0 || trace.getSpanContext(parent) !== undefined)
      return this.others.shouldSample(parent, traceId, name, kind, attributes, links);
    const isShown = links.some(({ context }) => (context.traceFlags & TraceFlags.SAMPLED) !== 0);
    return { decision: isShown ? SamplingDecision.RECORD_AND_SAMPLED : SamplingDecision.NOT_RECORD };
  }

  toString(): string {
    return `SharedWorkSampler{${String(this.others)}}`;
  }
}
