import { InvalidConfiguration, loadConfig } from './config.js';
import type { ProcessingConfig } from './processing-config.js';

const SECRET = 'a secret of no fewer than 32 characters';

function problemsOf(environment: NodeJS.ProcessEnv): readonly string[] {
  try {
    loadConfig(environment);
    return [];
  } catch (error) {
    if (error instanceof InvalidConfiguration) return error.problems;
    throw error;
  }
}

/** So that no limit is longer than what makes an order stuck. */
const LATE = { ORDER_STUCK_AFTER_SECONDS: '2592000' };

const WHOLE_NUMBERS: [name: string, key: keyof ProcessingConfig, minimum: number, maximum: number][] = [
  ['WORKER_COUNT', 'workerCount', 1, 1_000],
  ['ORDER_PROCESS_TIMEOUT_SECONDS', 'timeLimitSeconds', 1, 86_400],
  ['ORDER_PROCESS_ATTEMPTS', 'attempts', 1, 20],
  ['ORDER_RETRY_DELAY_SECONDS', 'retryDelaySeconds', 1, 3_600],
  ['WORKER_LEASE_SECONDS', 'leaseSeconds', 3, 300],
  ['WORKER_GRACE_SECONDS', 'graceSeconds', 0, 300],
  ['ORDER_AGING_SECONDS', 'agingSeconds', 1, 86_400],
  ['SIMULATED_FAILURE_PERCENT', 'simulatedFailurePercent', 0, 100],
  ['ORDER_CALLBACK_TIMEOUT_SECONDS', 'callbackTimeoutSeconds', 1, 604_800],
];

describe('the configuration of processing', () => {
  it.each(WHOLE_NUMBERS)('takes %s as %s from %d to %d, nothing else', (name, key, minimum, maximum) => {
    for (const value of [minimum, maximum])
      expect(loadConfig({ ...LATE, [name]: String(value) }).processing[key]).toBe(value);
    for (const value of [minimum - 1, maximum + 1, `${minimum}.5`, 'many'])
      expect(problemsOf({ ...LATE, [name]: String(value) })).toEqual([
        `${name} must be a whole number from ${minimum} to ${maximum}`,
      ]);
  });

  it('wants an address and a secret for the HTTP processor, and says so for each', () => {
    expect(problemsOf({ ORDER_PROCESSOR: 'http' })).toEqual([
      'ORDER_PROCESSOR=http needs ORDER_PROCESSOR_URL',
      'ORDER_PROCESSOR=http needs ORDER_PROCESSOR_SECRET',
    ]);
    const environment = {
      ORDER_PROCESSOR: 'http',
      ORDER_PROCESSOR_URL: 'https://fulfilment.example/orders',
      ORDER_PROCESSOR_SECRET: SECRET,
    };
    expect(loadConfig(environment).processing).toMatchObject({
      processor: 'http',
      processorUrl: 'https://fulfilment.example/orders',
      processorSecret: SECRET,
    });
  });

  it('refuses an unknown processor, an address that is none and a short secret', () => {
    expect(problemsOf({ ORDER_PROCESSOR: 'magic' })).toEqual([
      'ORDER_PROCESSOR must be one of simulated, http',
    ]);
    expect(problemsOf({ ORDER_PROCESSOR_URL: 'ftp://fulfilment.example' })).toEqual([
      'ORDER_PROCESSOR_URL must be an http(s) URL',
    ]);
    expect(problemsOf({ ORDER_PROCESSOR_SECRET: 'short' })).toEqual([
      'ORDER_PROCESSOR_SECRET must have at least 32 characters',
    ]);
  });
});
