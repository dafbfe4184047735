import { ROOT_CONTEXT, type SpanContext, SpanKind, trace, TraceFlags } from '@opentelemetry/api';
import { SamplingDecision } from '@opentelemetry/sdk-trace';

import { loadConfig, type TracingConfig } from '@daybook/platform';

import { samplerOf } from './samplers.js';

const configOf = (environment: NodeJS.ProcessEnv) =>
  loadConfig({ OTEL_TRACES_EXPORTER: 'otlp', ...environment }).tracing as TracingConfig;
// Kept by no ratio below 1, as the highest of all.
const TRACE_ID = 'f'.repeat(8).padStart(32, '0');
const spanContext = (isSampled: boolean): SpanContext => ({
  traceId: TRACE_ID,
  spanId: 'b'.repeat(16),
  traceFlags: isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
  isRemote: true,
});

function isSampled(
  sampler: string,
  { parent, links = [], ratio = '0.01' }: { parent?: boolean; links?: boolean[]; ratio?: string },
): boolean {
  const config = configOf({ OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: ratio });
  const within =
    parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, spanContext(parent));
  const { decision } = samplerOf(config).shouldSample(
    within,
    TRACE_ID,
    'a span',
    SpanKind.INTERNAL,
    {},
    links.map((link) => ({ context: spanContext(link) })),
  );
  return decision === SamplingDecision.RECORD_AND_SAMPLED;
}

it.each([
  // sampler, alone, in a trace that is not sampled, in one that is
  ['parentbased_always_on', true, false, true],
  ['parentbased_always_off', false, false, true],
  ['parentbased_traceidratio', false, false, true],
  ['always_on', true, true, true],
  ['always_off', false, false, false],
  ['traceidratio', false, false, false],
])('%s samples a request as its name says', (sampler, alone, inUnsampled, inSampled) => {
  expect(isSampled(sampler, {})).toBe(alone);
  expect(isSampled(sampler, { parent: false })).toBe(inUnsampled);
  expect(isSampled(sampler, { parent: true })).toBe(inSampled);
});

it('samples by the ratio it is given', () => {
  expect(isSampled('traceidratio', { ratio: '1' })).toBe(true);
  expect(isSampled('traceidratio', { ratio: '0' })).toBe(false);
});

describe('what many requests share', () => {
  it.each(['parentbased_traceidratio', 'always_on', 'always_off'])(
    'is sampled if any of them is, whatever %s would say of it alone',
    (sampler) => {
      expect(isSampled(sampler, { links: [false, true, false] })).toBe(true);
      expect(isSampled(sampler, { links: [false, false] })).toBe(false);
    },
  );

  it('is sampled with its parent when it has one', () => {
    expect(isSampled('parentbased_always_on', { parent: false, links: [true] })).toBe(false);
  });
});
