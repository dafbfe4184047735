import { InvalidConfiguration, loadConfig } from './config.js';

const ON = { OTEL_TRACES_EXPORTER: 'otlp' };

function problemsOf(environment: NodeJS.ProcessEnv): readonly string[] {
  try {
    loadConfig(environment);
    return [];
  } catch (error) {
    if (error instanceof InvalidConfiguration) return error.problems;
    throw error;
  }
}

describe('tracing', () => {
  it.each<NodeJS.ProcessEnv>([
    { OTEL_TRACES_EXPORTER: 'otlp' },
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' },
    { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://collector/v1/traces' },
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318', OTEL_SDK_DISABLED: 'false' },
  ])('is on with %p', (environment) => {
    expect(loadConfig(environment).tracing).toEqual({
      protocol: 'http/protobuf',
      sampler: 'parentbased_always_on',
      samplerRatio: 1,
      sendEveryMs: 5_000,
      sendAtMost: 512,
      queueLength: 2_048,
    });
  });

  it.each<NodeJS.ProcessEnv>([
    {},
    { OTEL_SERVICE_NAME: 'daybook' },
    { OTEL_TRACES_EXPORTER: 'none', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' },
    { OTEL_TRACES_EXPORTER: 'otlp', OTEL_SDK_DISABLED: 'true' },
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318', OTEL_SDK_DISABLED: 'TRUE' },
  ])('is off with %p', (environment) => {
    expect(loadConfig(environment)).not.toHaveProperty('tracing');
  });

  it('obeys its variables', () => {
    const { tracing } = loadConfig({
      ...ON,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0.05',
      OTEL_BSP_SCHEDULE_DELAY: '1000',
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '100',
      OTEL_BSP_MAX_QUEUE_SIZE: '1000',
    });
    expect(tracing).toEqual({
      protocol: 'http/json',
      sampler: 'parentbased_traceidratio',
      samplerRatio: 0.05,
      sendEveryMs: 1_000,
      sendAtMost: 100,
      queueLength: 1_000,
    });
  });

  it('prefers the protocol that is meant for traces', () => {
    const environment = {
      ...ON,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/protobuf',
    };
    expect(loadConfig(environment).tracing).toMatchObject({ protocol: 'http/protobuf' });
  });

  it.each([
    ['OTEL_TRACES_EXPORTER', 'zipkin', 'must be otlp or none'],
    ['OTEL_SDK_DISABLED', 'perhaps', 'must be true or false'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4318', 'must be an http(s) URL'],
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc', 'must be one of http/protobuf, http/json'],
    ['OTEL_TRACES_SAMPLER', 'sometimes', 'must be one of parentbased_always_on, '],
    ['OTEL_TRACES_SAMPLER_ARG', '1.5', 'must be a number from 0 to 1'],
    ['OTEL_TRACES_SAMPLER_ARG', '5%', 'must be a number from 0 to 1'],
    ['OTEL_BSP_SCHEDULE_DELAY', '0', 'must be a whole number from 1 to 600000'],
  ])('refuses %s=%s', (name, value, complaint) => {
    expect(problemsOf({ ...ON, [name]: value })).toEqual([expect.stringContaining(`${name} ${complaint}`)]);
  });

  it('that is off does not mind what its variables say to others', () => {
    expect(problemsOf({ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_TRACES_SAMPLER: 'xray' })).toEqual([]);
    expect(problemsOf({ OTEL_TRACES_EXPORTER: 'zipkin', OTEL_SDK_DISABLED: 'true' })).toEqual([]);
  });
});
