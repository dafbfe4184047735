import { existsSync } from 'node:fs';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { InvalidInput } from '../../apps/exchange-simulator/src/behaviour.js';
import { readSettings, SIMULATOR_VARIABLES } from '../../apps/exchange-simulator/src/settings.js';
import { InvalidConfiguration, loadConfig, PROCESS_ROLES } from '@daybook/platform';
import { DCLinter } from 'dclint';
import { validate } from 'dockerfile-utils';
import { parse } from 'yaml';

const root = join(import.meta.dirname, '../..');
const read = (file: string) => readFile(join(root, file), 'utf8');

interface Instruction {
  keyword: string;
  argument: string;
}

/** The stages of a Dockerfile that is already known to be well formed: comments dropped, lines joined. */
function stagesOf(dockerfile: string): Instruction[][] {
  const stages: Instruction[][] = [[]];
  const logicalLines = dockerfile.replace(/^\s*#.*\n/gm, '').replace(/\\\n\s*/g, ' ');
  for (const line of logicalLines.split('\n').filter((text) => text.trim() !== '')) {
    const [keyword = '', ...rest] = line.trim().split(/\s+/);
    if (keyword === 'FROM') stages.push([]);
    stages.at(-1)?.push({ keyword, argument: rest.join(' ') });
  }
  return stages;
}

/** What is wrong with a Dockerfile: the syntax first, then the rules of this project. */
function dockerfileProblems(dockerfile: string): string[] {
  const syntax = validate(dockerfile).map(
    ({ message, range }) => `line ${range.start.line + 1}: ${JSON.stringify(message)}`,
  );
  if (syntax.length > 0) return syntax;
  const stages = stagesOf(dockerfile);
  const build = stages.flatMap((stage) => stage.filter(({ keyword }) => keyword === 'RUN'));
  const runtime = stages.at(-1) ?? [];
  const last = (keyword: string) =>
    runtime.findLast((instruction) => instruction.keyword === keyword)?.argument;
  const copies = runtime.filter(({ keyword }) => keyword === 'COPY').map(({ argument }) => argument);

  const rules: Record<string, boolean> = {
    'runs as a user other than root': !['root', '0', undefined].includes(last('USER')?.split(':')[0]),
    'checks its health at /health/live': last('HEALTHCHECK')?.includes('/health/live') === true,
    'checks its health without tools the image lacks': !/curl|wget/.test(last('HEALTHCHECK') ?? ''),
    'is stopped by SIGTERM': last('STOPSIGNAL') === 'SIGTERM',
    'listens on every interface': / HOST=0\.0\.0\.0( |$)/.test(` ${last('ENV')}`),
    'starts node itself, so that it gets the signal': last('CMD')?.startsWith('["node",') === true,
    'gathers the migrations': build.some(({ argument }) =>
      argument.includes("find libs -path '*/migrations/*.sql'"),
    ),
    'has the migrations': copies.includes('--from=build /migrations/libs ./libs'),
    'has the package.json that the migrations are found by': copies.includes(
      '--from=build /app/package.json ./',
    ),
    'has production packages only': build.some(({ argument }) => argument.includes('npm ci --omit=dev')),
    'has a folder that the simulated exchange may write to': runtime.some(
      ({ keyword, argument }) =>
        keyword === 'RUN' && argument.endsWith(`--owner=node --group=node ${SIMULATOR_STATE}`),
    ),
    'copies nothing into the runtime but what another stage made': copies.every((argument) =>
      argument.startsWith('--from='),
    ),
  };
  return Object.keys(rules).filter((rule) => rules[rule] === false);
}

const SIMULATOR_STATE = '/var/lib/exchange-simulator';

interface Service {
  build?: string;
  profiles?: string[];
  environment?: Record<string, string>;
  volumes?: string[];
  ports?: string[];
  depends_on?: Record<string, { condition: string }>;
  [key: string]: unknown;
}

/** What is wrong with a compose file: the compose schema and dclint first, then the rules of this project. */
async function composeProblems(text: string, known: Set<string>, example: string): Promise<string[]> {
  const complaints = await lint(text);
  if (complaints.length > 0) return complaints;
  const { services } = parse(text, { merge: true }) as { services: Record<string, Service> };
  const { postgres } = services;
  const all = Object.values(services);
  const { simulator } = services;
  const ours = all.filter((service) => service.build !== undefined && service !== simulator);
  const watching = all.filter(({ profiles }) => profiles?.includes('monitoring'));
  const settings = ours.flatMap(({ environment }) => Object.entries(environment ?? {}));
  const secrets = all
    .flatMap(({ environment }) => Object.entries(environment ?? {}))
    .filter(([name]) => /SECRET|PASSWORD|DATABASE_URL/.test(name));
  const roles = settings
    .filter(([name]) => name === 'DAYBOOK_ROLES')
    .flatMap(([, value]) => value.split(','));
  // Compose reads this one itself.
  const used = new Set(['COMPOSE_PROFILES', ...[...text.matchAll(/\$\{([A-Z_]+)/g)].map(([, name]) => name)]);
  const offered = new Set([...example.matchAll(/^([A-Z_]+)=/gm)].map(([, name]) => name));
  const alwaysSet = ['restart', 'healthcheck', 'stop_grace_period'];

  const rules: Record<string, boolean> = {
    'keeps the data where the image of PostgreSQL 18 has it': (postgres?.volumes ?? []).includes(
      'postgres-data:/var/lib/postgresql',
    ),
    'keeps the database to itself': postgres?.ports === undefined,
    'gives every role to some service': PROCESS_ROLES.every((role) => roles.includes(role)),
    'restarts, checks and stops every service in an orderly way': all.every((service) =>
      alwaysSet.every((key) => key in service),
    ),
    'waits for the database': ours.every(
      (service) => service.depends_on?.['postgres']?.condition === 'service_healthy',
    ),
    'sets only variables that Daybook reads': settings.every(([name]) => known.has(name)),
    'has no secret in it and no default for one': secrets.every(([, value]) => /\$\{[A-Z_]+:\?/.test(value)),
    'takes from .env what .env.example explains': isSame(used, offered),
    'has only values that Daybook accepts': ours.every(({ environment }) => isAccepted(environment)),
    'publishes ports on this machine only': all
      .flatMap(({ ports }) => ports ?? [])
      .every((port) => port.startsWith('127.0.0.1:')),
    'keeps nothing of the monitoring outside its profile': isSame(
      new Set(watching),
      new Set(['metrics-token', 'prometheus', 'grafana'].map((name) => services[name])),
    ),
    'keeps the broker in its profile, to itself, and its data where its configuration has them':
      services['nats']?.profiles?.join() === 'nats' &&
      services['nats'].ports === undefined &&
      services['nats'].volumes?.includes('./deploy/nats:/etc/nats:ro') === true &&
      services['nats'].volumes.includes('nats-data:/data'),
    'keeps the simulated exchange in its profile, to itself, and its orders in a volume':
      simulator?.profiles?.join() === 'simulator' &&
      simulator.ports === undefined &&
      simulator.volumes?.includes(`simulator-data:${SIMULATOR_STATE}`) === true &&
      simulator.environment?.['EXCHANGE_SIMULATOR_STATE_FILE']?.startsWith(`${SIMULATOR_STATE}/`) === true,
    'has only settings that the simulated exchange accepts': isAcceptedBySimulator(simulator?.environment),
    'lets Prometheus read the token that is kept for it': ['metrics-token', 'prometheus'].every((name) =>
      services[name]?.volumes?.some((volume) => volume.startsWith('metrics-token:/run/daybook')),
    ),
    'mounts only files that are there': all
      .flatMap(({ volumes }) => volumes ?? [])
      .flatMap((volume) => /^\.\/([^:]+)/.exec(volume)?.[1] ?? [])
      .every((path) => existsSync(join(root, path))),
    'gives no stranger to Grafana a way to change it':
      services['grafana']?.environment?.['GF_AUTH_ANONYMOUS_ORG_ROLE'] === 'Viewer' &&
      services['grafana'].environment['GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION'] === 'true',
  };
  return Object.keys(rules).filter((rule) => rules[rule] === false);
}

const isSame = (a: Set<unknown>, b: Set<unknown>) => a.size === b.size && [...a].every((one) => b.has(one));

/** Whether a server would start with these settings, once each `${NAME:?…}` is filled in with a secret. */
function isAccepted(environment: Record<string, string> = {}): boolean {
  const settings = Object.entries(environment).map(([name, value]) => {
    const filledIn = value.replace(/\$\{[A-Z_]+:\?[^}]*\}/g, 'a'.repeat(64));
    return [name, filledIn.replace(/\$\{[A-Z_]+:-([^}]*)\}/g, '$1')];
  });
  try {
    loadConfig(Object.fromEntries(settings) as Record<string, string>);
    return true;
  } catch (error) {
    if (error instanceof InvalidConfiguration) return false;
    throw error;
  }
}

function isAcceptedBySimulator(environment: Record<string, string> = {}): boolean {
  const filledIn = Object.entries(environment).map(([name, value]) => [name, value.replace(/\$\{.*\}/, '')]);
  try {
    readSettings(Object.fromEntries(filledIn) as Record<string, string>);
    return Object.keys(environment).every((name) => SIMULATOR_VARIABLES.has(name));
  } catch (error) {
    if (error instanceof InvalidInput) return false;
    throw error;
  }
}

interface Complaint {
  type: 'error' | 'warning';
  rule: string;
  message: string;
}

async function lint(compose: string): Promise<string[]> {
  const directory = await mkdtemp(join(tmpdir(), 'daybook-compose-'));
  try {
    const file = join(directory, 'docker-compose.yml');
    await writeFile(file, compose);
    const linter = new DCLinter({ rules: {}, quiet: true, debug: false, exclude: [] });
    const results = linter.lintFiles([file], false) as { messages: Complaint[] }[];
    // Its warnings are about the order of keys; here the order follows the reader.
    const errors = results.flatMap(({ messages }) => messages).filter(({ type }) => type === 'error');
    return errors.map(({ rule, message }) => `${rule}: ${message}`);
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** Every environment variable that docs/configuration.md lists and some source file reads. */
async function configurationVariables(): Promise<Set<string>> {
  const rows = (await read('docs/configuration.md')).matchAll(/^\| (`[^|]*)\|/gm);
  const documented = new Set([...rows].flatMap(([, cell]) => cell?.match(/[A-Z][A-Z_]+/g) ?? []));
  const files = (await Promise.all(['libs', 'apps'].map(sourcesBelow))).flat();
  const sources = (await Promise.all(files.map(read))).join('\n');
  return new Set([...documented].filter((name) => sources.includes(`'${name}'`)));
}

async function sourcesBelow(folder: string): Promise<string[]> {
  const files = await readdir(join(root, folder), { recursive: true });
  return files.filter((name) => /(?<![.]spec)[.]ts$/.test(name)).map((name) => join(folder, name));
}

/** One change to a file, and the rule that must object to it. */
type Damage = [rule: string | RegExp, from: string | RegExp, to: string];

function damaged(text: string, from: string | RegExp, to: string): string {
  const result = text.replace(from, to);
  if (result === text) throw new Error(`nothing to damage: ${String(from)} does not occur`);
  return result;
}

describe('the Dockerfile', () => {
  it('is well formed and keeps our rules', async () => {
    expect(dockerfileProblems(await read('Dockerfile'))).toEqual([]);
  });

  const damages: Damage[] = [
    [/unknown instruction/i, 'WORKDIR /app', 'WORKDIRECTORY /app'],
    ['runs as a user other than root', 'USER node', 'USER root'],
    ['runs as a user other than root', 'USER node\n', ''],
    ['checks its health at /health/live', '/health/live', '/'],
    ['checks its health at /health/live', /HEALTHCHECK[^\]]*\]/, ''],
    ['checks its health without tools the image lacks', /CMD \["node", "-e"/, 'CMD ["curl", "--fail"'],
    ['is stopped by SIGTERM', 'SIGTERM\nHEALTHCHECK', 'SIGKILL\nHEALTHCHECK'],
    ['listens on every interface', 'HOST=0.0.0.0', 'HOST=127.0.0.1'],
    ['starts node itself, so that it gets the signal', /CMD \["node", "--enable.*/, 'CMD npm start'],
    ['gathers the migrations', /RUN mkdir \/migrations.*/, ''],
    ['has the migrations', /COPY .*migrations.*/, ''],
    ['has the package.json that the migrations are found by', /COPY --from=build \/app\/package.json.*/, ''],
    ['has a folder that the simulated exchange may write to', /RUN install --dir.*/, ''],
    ['has production packages only', ' --omit=dev', ''],
    ['copies nothing into the runtime but what another stage made', 'USER node', 'COPY . .\nUSER node'],
  ];
  it.each(damages)('is refused with damage no. %#: %s', async (rule, from, to) => {
    const problems = dockerfileProblems(damaged(await read('Dockerfile'), from, to));
    expect(problems.join('\n')).toMatch(rule);
  });

  it('leaves secrets and installed packages out of the build', async () => {
    const ignored = (await read('.dockerignore')).split('\n');
    expect(ignored).toEqual(expect.arrayContaining(['.env', '.env.*', 'node_modules', '.git', '.daybook']));
  });
});

describe('docker-compose.yml', () => {
  async function problems(compose: string) {
    return composeProblems(compose, await configurationVariables(), await read('.env.example'));
  }

  it('fits the compose schema and keeps our rules', async () => {
    expect(await problems(await read('docker-compose.yml'))).toEqual([]);
  });

  const damages: Damage[] = [
    [/invalid-schema/, 'restart: unless-stopped', 'restarts: unless-stopped'],
    [/invalid-schema/, 'condition: service_healthy', 'condition: service_feels_well'],
    ['keeps the data where the image of PostgreSQL 18 has it', 'lib/postgresql\n', 'lib/postgresql/data\n'],
    ['keeps the database to itself', 'shm_size: 256mb', `ports: ['127.0.0.1:5432:5432']`],
    ['gives every role to some service', 'api,scheduler', 'api'],
    ['gives every role to some service', 'receiver,consumer', 'consumer'],
    [/^keeps the broker in its profile/, 'nats-data:/data', 'nats-data:/var/lib/nats'],
    [/^keeps the broker in its profile/, 'profiles: [nats]', 'profiles: [broker]'],
    [/^keeps the simulated exchange in its profile/, 'profiles: [simulator]', 'profiles: [exchange]'],
    [/^keeps the simulated exchange in its profile/, 'simulator-data:/var', 'simulator-data:/srv'],
    ['has only settings that the simulated exchange accepts', `'4010'`, `'port'`],
    ['has only settings that the simulated exchange accepts', 'EXCHANGE_SIMULATOR_HOST', 'SIMULATOR_HOST'],
    ['restarts, checks and stops every service in an orderly way', 'stop_grace_period: 30s', ''],
    ['waits for the database', 'service_healthy', 'service_started'],
    ['sets only variables that Daybook reads', 'LOG_LEVEL:', 'LOGLEVEL:'],
    ['has no secret in it and no default for one', '${AUTH_JWT_SECRET:?see .env.example}', 'open-sesame'],
    ['has no secret in it and no default for one', /POSTGRES_PASSWORD:\?.*@/, 'POSTGRES_PASSWORD:-daybook}@'],
    ['has only values that Daybook accepts', 'DAYBOOK_ROLES: worker', 'DAYBOOK_ROLES: labourer'],
    ['has only values that Daybook accepts', /AUTH_JWT_SECRET: .*/, `LOAD_DEMO_DATA: 'false'`],
    ['takes from .env what .env.example explains', '${API_PORT:-3000}', '${PUBLIC_PORT:-3000}'],
    ['publishes ports on this machine only', '127.0.0.1:${PROMETHEUS', '0.0.0.0:${PROMETHEUS'],
    [/require-explicit-tag/, /prometheus:v[.0-9]+/, 'prometheus:latest'],
    ['keeps nothing of the monitoring outside its profile', 'profiles: [monitoring]', ''],
    ['lets Prometheus read the token that is kept for it', '- metrics-token:/run/daybook:ro', ''],
    ['mounts only files that are there', './deploy/prometheus:', './prometheus:'],
    ['gives no stranger to Grafana a way to change it', 'ROLE: Viewer', 'ROLE: Admin'],
    ['gives no stranger to Grafana a way to change it', /GF_SECURITY_DISABLE.*/, ''],
  ];
  it.each(damages)('is refused with damage no. %#: %s', async (rule, from, to) => {
    const found = await problems(damaged(await read('docker-compose.yml'), from, to));
    expect(found.join('\n')).toMatch(rule);
  });

  it('has a broker that flushes to disk what it acknowledges', async () => {
    const settings = (await read('deploy/nats/nats-server.conf')).replace(/^\s*#.*\n/gm, '');
    expect(settings).toMatch(/^ {2}store_dir: \/data$/m);
    expect(settings).toMatch(/^ {2}sync_interval: always$/m);
  });
});
