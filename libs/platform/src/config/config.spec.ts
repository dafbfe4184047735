import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import {
  type DaybookConfig,
  hasAuthConfiguration,
  InvalidConfiguration,
  isLoopback,
  loadConfig,
} from './config.js';

const SECRET = 'a secret of no fewer than 32 characters';

/** What is wrong with an environment, one text per problem. */
function problemsOf(environment: NodeJS.ProcessEnv): readonly string[] {
  try {
    loadConfig(environment);
    return [];
  } catch (error) {
    if (error instanceof InvalidConfiguration) return error.problems;
    throw error;
  }
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'daybook-config-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function fileWith(content: string): Promise<string> {
  const path = join(folder, `secret-${Math.random()}`);
  await writeFile(path, content);
  return path;
}

describe('without any variable', () => {
  it('Daybook runs alone: all roles, on this machine only, with a database of its own', () => {
    expect(loadConfig({})).toEqual({
      databasePoolSize: 20,
      listPoolSize: 5,
      listTimeBudgetMs: 1_000,
      port: 3000,
      host: '127.0.0.1',
      roles: ['api', 'worker', 'scheduler', 'receiver', 'consumer'],
      businessTimezone: 'UTC',
      orderNumberStrategy: 'sequence',
      orderNumberRetentionDays: 30,
      allocationStrategy: 'fewest-parcels',
      reservationTtlSeconds: 600,
      reservationRetentionDays: 30,
      orderStuckAfterSeconds: 3600,
      orderStuckAction: 'requeue',
      processing: {
        workerCount: 10,
        timeLimitSeconds: 30,
        attempts: 3,
        retryDelaySeconds: 1,
        leaseSeconds: 10,
        graceSeconds: 10,
        agingSeconds: 60,
        processor: 'simulated',
        simulatedFailurePercent: 0,
        callbackTimeoutSeconds: 1800,
      },
      exchange: { venue: 'XSIM', timeoutMs: 4_000, connections: 64 },
      reportIntervalSeconds: 60,
      auth: {},
      logLevel: 'info',
    } satisfies DaybookConfig);
  });

  it('or with variables that are empty or blank, which is the same', () => {
    const names = [
      'DATABASE_URL',
      'DATABASE_URL_FILE',
      'PORT',
      'HOST',
      'DAYBOOK_ROLES',
      'AUTH_JWT_SECRET',
      'LOG_LEVEL',
    ];
    expect(loadConfig(Object.fromEntries(names.map((name) => [name, ''])))).toEqual(loadConfig({}));
    expect(loadConfig({ PORT: '  ', LOAD_DEMO_DATA: ' ' })).toEqual(loadConfig({}));
  });
});

describe('a variable with a good value', () => {
  it.each<[name: string, value: string, expected: object]>([
    ['DATABASE_URL', 'postgres://me@db:5432/daybook', { databaseUrl: 'postgres://me@db:5432/daybook' }],
    ['DATABASE_URL', 'postgresql://db/daybook', { databaseUrl: 'postgresql://db/daybook' }],
    ['DATABASE_POOL_SIZE', '4', { databasePoolSize: 4 }],
    ['DATABASE_POOL_SIZE', '500', { databasePoolSize: 500 }],
    ['LIST_POOL_SIZE', '1', { listPoolSize: 1 }],
    ['LIST_TIME_BUDGET_MS', '60000', { listTimeBudgetMs: 60_000 }],
    ['PORT', '0', { port: 0 }],
    ['PORT', '65535', { port: 65535 }],
    ['PORT', ' 8080 ', { port: 8080 }],
    ['HOST', 'localhost', { host: 'localhost' }],
    ['HOST', '::1', { host: '::1' }],
    ['HOST', '127.0.0.2', { host: '127.0.0.2' }],
    ['DAYBOOK_ROLES', 'api', { roles: ['api'] }],
    ['DAYBOOK_ROLES', 'worker, scheduler', { roles: ['worker', 'scheduler'] }],
    ['DAYBOOK_ROLES', 'receiver,consumer', { roles: ['receiver', 'consumer'] }],
    [
      'EXCHANGE_URL',
      'https://venue',
      { exchange: { url: 'https://venue', venue: 'XSIM', timeoutMs: 4_000, connections: 64 } },
    ],
    ['EXCHANGE_VENUE', 'XFRA', { exchange: { venue: 'XFRA', timeoutMs: 4_000, connections: 64 } }],
    ['EXCHANGE_TOKEN', 's', { exchange: { token: 's', venue: 'XSIM', timeoutMs: 4_000, connections: 64 } }],
    ['EXCHANGE_TIMEOUT_MS', '100', { exchange: { venue: 'XSIM', timeoutMs: 100, connections: 64 } }],
    ['EXCHANGE_CONNECTIONS', '1000', { exchange: { venue: 'XSIM', timeoutMs: 4_000, connections: 1_000 } }],
    [
      'NATS_URL',
      'nats://bus:4222',
      { exchange: { natsUrl: 'nats://bus:4222', venue: 'XSIM', timeoutMs: 4_000, connections: 64 } },
    ],
    ['BUSINESS_TIMEZONE', 'Europe/Berlin', { businessTimezone: 'Europe/Berlin' }],
    [
      'BUSINESS_TIMEZONE',
      'America/Argentina/Buenos_Aires',
      { businessTimezone: 'America/Argentina/Buenos_Aires' },
    ],
    ['ORDER_NUMBER_STRATEGY', 'gapless', { orderNumberStrategy: 'gapless' }],
    ['ORDER_NUMBER_RETENTION_DAYS', '2', { orderNumberRetentionDays: 2 }],
    ['ORDER_NUMBER_RETENTION_DAYS', '36500', { orderNumberRetentionDays: 36_500 }],
    ['ALLOCATION_STRATEGY', 'by-priority', { allocationStrategy: 'by-priority' }],
    ['AUTH_JWT_SECRET', SECRET, { auth: { jwtSecret: SECRET } }],
    ['AUTH_JWKS_URL', 'https://id.example/keys', { auth: { jwksUrl: 'https://id.example/keys' } }],
    ['AUTH_ISSUER', 'https://id.example', { auth: { issuer: 'https://id.example' } }],
    ['AUTH_AUDIENCE', 'daybook', { auth: { audience: 'daybook' } }],
    ['RETENTION_MONTHS', '2', { retentionMonths: 2 }],
    ['RATE_LIMIT_PER_MINUTE', '600', { rateLimitPerMinute: 600 }],
    ['LOG_LEVEL', 'silent', { logLevel: 'silent' }],
    ['LOAD_DEMO_DATA', 'true', { loadDemoData: true }],
    ['LOAD_DEMO_DATA', 'false', { loadDemoData: false }],
  ])('%s=%s is used', (name, value, expected) => {
    expect(loadConfig({ [name]: value })).toEqual({ ...loadConfig({}), ...expected });
  });
});

describe('a variable with a bad value', () => {
  it.each<[name: string, ...values: string[]]>([
    ['DATABASE_URL', 'mysql://db/daybook', 'db:5432', 'daybook'],
    ['DATABASE_POOL_SIZE', '3', '501', '-20', '2.5', 'many', '1e2', '0x10'],
    ['LIST_POOL_SIZE', '0', '101'],
    ['LIST_TIME_BUDGET_MS', '49', '60001'],
    ['PORT', '65536', '-1', '80a', 'http'],
    ['HOST', 'not a host', '-x', 'a_b', '1.2.3.4/8', 'http://localhost'],
    ['DAYBOOK_ROLES', 'apis', 'api,', ',', 'api worker', 'API'],
    ['NATS_URL', 'http://bus:4222', 'bus:4222', 'bus'],
    ['BUSINESS_TIMEZONE', 'Berlin', 'Mars/Olympus', 'UTC+25', '+01:00', '-0330'],
    ['ORDER_NUMBER_STRATEGY', 'Sequence', 'random'],
    ['ORDER_NUMBER_RETENTION_DAYS', '1', '0', '-30', '36501', '2.5', 'forever'],
    ['ALLOCATION_STRATEGY', 'cheapest'],
    ['AUTH_JWT_SECRET', 'x'.repeat(31)],
    ['AUTH_JWKS_URL', 'ftp://id.example/keys', 'id.example', '/keys'],
    ['RETENTION_MONTHS', '1', '0', '1201', 'all', '2.5'],
    ['RATE_LIMIT_PER_MINUTE', '0', '-1', 'none', '1000000001'],
    ['LOG_LEVEL', 'verbose', 'INFO'],
    ['LOAD_DEMO_DATA', 'yes', '1', 'TRUE'],
  ])('%s is refused under its name, and nothing else is complained about', (name, ...values) => {
    for (const value of values) {
      expect({ value, problems: problemsOf({ [name]: value }) }).toEqual({
        value,
        problems: [expect.stringMatching(new RegExp(`^${name} must `))],
      });
    }
  });

  it('does not hide another one: all problems are told at once', () => {
    const environment = {
      PORT: 'x',
      LOG_LEVEL: 'y',
      DATABASE_URL: 'z',
      AUTH_JWT_SECRET: 'short',
      DAYBOOK_ROLES: 'boss',
    };
    expect(
      problemsOf(environment)
        .map((problem) => problem.split(' ', 1)[0])
        .toSorted(),
    ).toEqual(Object.keys(environment).toSorted());
    expect(() => loadConfig(environment)).toThrow(
      /^The configuration is not usable:(\n {2}[A-Z_]+ must .*){5}$/,
    );
  });

  it('never repeats a secret in the error', () => {
    const environment = { AUTH_JWT_SECRET: 'hush', DATABASE_URL: 'mysql://me:hush@db' };
    expect(problemsOf(environment)).toHaveLength(2);
    expect(problemsOf(environment).join()).not.toContain('hush');
  });
});

describe('a secret in a file', () => {
  it.each<[name: string, content: string, expected: object]>([
    ['DATABASE_URL', 'postgres://me:pw@db/daybook', { databaseUrl: 'postgres://me:pw@db/daybook' }],
    ['AUTH_JWT_SECRET', SECRET, { auth: { jwtSecret: SECRET } }],
    ['NATS_URL', 'nats://me:pw@bus', { exchange: { natsUrl: 'nats://me:pw@bus' } }],
  ])('%s_FILE is read, without the line break at its end', async (name, content, expected) => {
    expect(loadConfig({ [`${name}_FILE`]: await fileWith(`${content}\n`) })).toMatchObject(expected);
  });

  it.each([
    ['DATABASE_URL', 'not a url'],
    ['AUTH_JWT_SECRET', 'too short'],
    ['AUTH_JWT_SECRET', ''],
  ])(
    '%s_FILE with a bad content (%p) is refused under its name, without showing it',
    async (name, content) => {
      const problems = problemsOf({ [`${name}_FILE`]: await fileWith(content) });
      expect(problems).toEqual([expect.stringMatching(new RegExp(`^${name}_FILE: its content must`))]);
      if (content !== '') expect(problems.join()).not.toContain(content);
    },
  );

  it.each(['DATABASE_URL', 'AUTH_JWT_SECRET'])(
    '%s_FILE that cannot be read is a problem, with the reason',
    (name) => {
      expect(problemsOf({ [`${name}_FILE`]: join(folder, 'missing') })).toEqual([
        expect.stringMatching(new RegExp(`^${name}_FILE cannot be read: .*ENOENT`)),
      ]);
    },
  );

  it.each(['DATABASE_URL', 'AUTH_JWT_SECRET'])(
    '%s_FILE and the variable itself exclude each other',
    async (name) => {
      const value = name === 'DATABASE_URL' ? 'postgres://db/daybook' : SECRET;
      expect(problemsOf({ [name]: value, [`${name}_FILE`]: await fileWith(value) })).toEqual([
        expect.stringContaining(`${name} and ${name}_FILE exclude each other`),
      ]);
    },
  );
});

describe('an order that has got stuck', () => {
  it.each([
    { ORDER_STUCK_AFTER_SECONDS: '60', ORDER_PROCESS_TIMEOUT_SECONDS: '60' },
    {
      ORDER_STUCK_AFTER_SECONDS: '1830',
      ORDER_PROCESSOR: 'http',
      ORDER_PROCESSOR_URL: 'https://fulfilment.example/orders',
      ORDER_PROCESSOR_SECRET: SECRET,
    },
  ])('is not one whose attempt still has time: %o', (environment) => {
    expect(problemsOf(environment)).toEqual([
      expect.stringMatching(/^ORDER_STUCK_AFTER_SECONDS must be more than \d+, what an attempt may take$/),
    ]);
    const { ORDER_STUCK_AFTER_SECONDS: seconds } = environment;
    expect(problemsOf({ ...environment, ORDER_STUCK_AFTER_SECONDS: String(Number(seconds) + 1) })).toEqual(
      [],
    );
  });
});

describe('who may be let in', () => {
  it('can be settled by a secret or by a key server, not by both', () => {
    const both = { AUTH_JWT_SECRET: SECRET, AUTH_JWKS_URL: 'https://id.example/keys' };
    expect(problemsOf(both)).toEqual([
      expect.stringMatching(/AUTH_JWT_SECRET and AUTH_JWKS_URL exclude each other/),
    ]);
  });

  it.each(['0.0.0.0', '::', '192.168.1.5', 'daybook.example', 'localhost.example', '128.0.0.1'])(
    'must be settled when HOST=%s lets others reach the server',
    (host) => {
      expect(problemsOf({ HOST: host })).toEqual([
        expect.stringContaining(`HOST=${host} can be reached from outside`),
      ]);
      expect(problemsOf({ HOST: host, AUTH_JWT_SECRET: SECRET })).toEqual([]);
      expect(problemsOf({ HOST: host, AUTH_JWKS_URL: 'https://id.example/keys' })).toEqual([]);
    },
  );

  it.each(['127.0.0.1', '127.1.2.3', '::1', 'localhost'])('may stay open on HOST=%s', (host) => {
    expect(isLoopback(host)).toBe(true);
    expect(problemsOf({ HOST: host })).toEqual([]);
  });

  it('is not settled by an issuer or an audience alone', () => {
    expect(hasAuthConfiguration(loadConfig({ AUTH_ISSUER: 'x', AUTH_AUDIENCE: 'y' }).auth)).toBe(false);
    expect(hasAuthConfiguration(loadConfig({ AUTH_JWT_SECRET: SECRET }).auth)).toBe(true);
    expect(hasAuthConfiguration(loadConfig({ AUTH_JWKS_URL: 'https://id.example' }).auth)).toBe(true);
  });
});
