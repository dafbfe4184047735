import { InvalidInput, NORMAL_BEHAVIOUR } from './behaviour.js';
import { readSettings } from './settings.js';

function problemsOf(environment: NodeJS.ProcessEnv): readonly string[] {
  try {
    readSettings(environment);
    return [];
  } catch (error) {
    if (error instanceof InvalidInput) return error.problems;
    throw error;
  }
}

describe('the settings of the simulator', () => {
  it('need none of the variables, and count an empty one as absent', () => {
    const normal = {
      port: 4010,
      host: '127.0.0.1',
      seed: 1,
      keepReports: 2_000_000,
      behaviour: NORMAL_BEHAVIOUR,
    };
    expect(readSettings({})).toEqual(normal);
    expect(readSettings({ EXCHANGE_SIMULATOR_TOKEN: '', EXCHANGE_SIMULATOR_GAP_PERCENT: ' ' })).toEqual(
      normal,
    );
  });

  it('are all to be had from the environment', () => {
    const settings = readSettings({
      EXCHANGE_SIMULATOR_PORT: '0',
      EXCHANGE_SIMULATOR_HOST: '::1',
      EXCHANGE_SIMULATOR_SEED: '42',
      EXCHANGE_SIMULATOR_KEEP_REPORTS: '10',
      EXCHANGE_SIMULATOR_TOKEN: 'open sesame',
      EXCHANGE_SIMULATOR_STATE_FILE: '/tmp/state',
      EXCHANGE_SIMULATOR_LATENCY_MAX_MS: '3000',
      EXCHANGE_SIMULATOR_LOST_ANSWER_PERCENT: '0.5',
    });
    expect(settings).toEqual({
      port: 0,
      host: '::1',
      seed: 42,
      keepReports: 10,
      token: 'open sesame',
      stateFile: '/tmp/state',
      behaviour: { ...NORMAL_BEHAVIOUR, latencyMaxMs: 3_000, lostAnswerPercent: 0.5 },
    });
  });

  it.each<[NodeJS.ProcessEnv, ...string[]]>([
    [{ EXCHANGE_SIMULATOR_PORT: '65536' }, 'EXCHANGE_SIMULATOR_PORT must be a whole number from 0 to 65535'],
    [{ EXCHANGE_SIMULATOR_SEED: 'x' }, 'EXCHANGE_SIMULATOR_SEED must be a whole number from 0 to 4294967295'],
    [
      { EXCHANGE_SIMULATOR_GAP_LENGTH: '0' },
      'EXCHANGE_SIMULATOR_GAP_LENGTH must be a whole number from 1 to 10000',
    ],
    [
      { EXCHANGE_SIMULATOR_GAP_PERCENT: '101', EXCHANGE_SIMULATOR_LATENCY_MAX_MS: '1.5' },
      'EXCHANGE_SIMULATOR_LATENCY_MAX_MS must be a whole number from 0 to 3600000',
      'EXCHANGE_SIMULATOR_GAP_PERCENT must be a number from 0 to 100',
    ],
    [
      { EXCHANGE_SIMULATOR_LATENCY_MIN_MS: '5' },
      'EXCHANGE_SIMULATOR_LATENCY_MIN_MS must not be more than EXCHANGE_SIMULATOR_LATENCY_MAX_MS',
    ],
    [{ EXCHANGE_SIMULATOR_SPEED: '5' }, 'EXCHANGE_SIMULATOR_SPEED is not a setting'],
  ])('are refused when they are wrong, all at once: %o', (environment, ...problems) => {
    expect(problemsOf(environment)).toEqual(problems);
  });
});
