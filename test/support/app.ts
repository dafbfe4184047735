import type { AddressInfo } from 'node:net';

import { EXCHANGE_GATEWAY, type ExchangeGateway } from '@daybook/exchange';
import { createPino, loadConfig, PinoLogger, ProblemDetailsFilter, ServerAdapter } from '@daybook/platform';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { SignJWT } from 'jose';

import { AppModule } from '../../apps/api/src/app.module.js';
import { createApp, type ReadyConfig } from '../../apps/api/src/create-app.js';
import { announceClosing, stopGracefully } from '../../apps/api/src/shutdown.js';
import { readAnswerBody } from './answer-body.js';
import { createTestDatabase, type TestDatabase } from './database.js';

export const TEST_SECRET = 'a secret for tests, of at least 32 characters';

/** A bearer token as the tests' servers accept it. */
export function tokenFor(subject: string, ...roles: string[]): Promise<string> {
  return new SignJWT({ roles })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(subject)
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(TEST_SECRET));
}

/** What came back over the wire, its body parsed if it was JSON, or rows of it. */
export interface TestResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly body: any;
}

export interface RequestOptions {
  readonly token?: string;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

/** Asks a server at `origin`. A text body is sent as it is, anything else as JSON. */
export async function request(
  origin: string,
  method: string,
  path: string,
  { token, body, headers = {} }: RequestOptions = {},
): Promise<TestResponse> {
  const isText = typeof body === 'string';
  const response = await fetch(`${origin}${path}`, {
    method,
    headers: {
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...headers,
    },
    ...(body !== undefined && { body: isText ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const { status, headers: answered } = response;
  return { status, headers: answered, text, body: readAnswerBody(answered.get('content-type'), text) };
}

/** The whole application in this process, on a real socket and a database of its own. */
export interface TestApp {
  readonly app: NestFastifyApplication;
  readonly origin: string;
  readonly database: TestDatabase;
  /** Tokens of an operator, an admin and two customers. */
  readonly tokens: Readonly<Record<'operator' | 'admin' | 'alice' | 'bob', string>>;
  /** As {@link request}, with paths below /api/v1 and the operator's token unless told otherwise. */
  api(method: string, path: string, options?: RequestOptions): Promise<TestResponse>;
  /** A product with stock in the main warehouse; returns its SKU. */
  createProduct(sku: string, stock: number, priceCents?: number): Promise<string>;
  stop(): Promise<void>;
}

/** @param gateway in place of the one to the configured venue */
export async function startTestApp(
  environment: NodeJS.ProcessEnv = {},
  gateway?: ExchangeGateway,
): Promise<TestApp> {
  const database = await createTestDatabase();
  const { databaseUrl = database.url, ...config } = loadConfig({
    DATABASE_URL: database.url,
    AUTH_JWT_SECRET: TEST_SECRET,
    LOG_LEVEL: 'warn',
    // Without workers: an order stays as the test left it, unless the test is about working off.
    DAYBOOK_ROLES: 'api,scheduler',
    ...environment,
  });
  const ready = { ...config, databaseUrl };
  const app = await (gateway === undefined ? createApp(ready) : createAppWith(gateway, ready));
  announceClosing(app);
  await app.listen(0, '127.0.0.1');
  const origin = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`;
  const tokens = {
    operator: await tokenFor('operator-1', 'operator'),
    admin: await tokenFor('admin-1', 'admin'),
    alice: await tokenFor('alice', 'customer'),
    bob: await tokenFor('bob', 'customer'),
  };
  const api: TestApp['api'] = (method, path, options = {}) =>
    request(origin, method, `/api/v1${path}`, { token: tokens.operator, ...options });
  return {
    app,
    origin,
    database,
    tokens,
    api,
    createProduct: async (sku, stock, priceCents = 1000) => {
      await expectCreated(api('POST', '/products', { body: { sku, name: `Product ${sku}`, priceCents } }));
      if (stock > 0) {
        const body = { sku, quantityDelta: stock, reason: 'received' };
        await expectCreated(api('POST', '/stock-adjustments', { body }));
      }
      return sku;
    },
    stop: async () => {
      await stopGracefully(app);
      await database.drop();
    },
  };
}

/** The application without its pages, and with another way to the venue. */
async function createAppWith(gateway: ExchangeGateway, config: ReadyConfig): Promise<NestFastifyApplication> {
  const module = await Test.createTestingModule({ imports: [AppModule.forRoot(config)] })
    .setLogger(new PinoLogger(createPino(config.logLevel)))
    .overrideProvider(EXCHANGE_GATEWAY)
    .useValue(gateway)
    .compile();
  const app = module.createNestApplication<NestFastifyApplication>(
    new ServerAdapter(new ProblemDetailsFilter()),
  );
  app.setGlobalPrefix('api/v1', { exclude: ['health/live', 'health/ready', 'metrics', 'api/v1/metrics'] });
  return app.init();
}

/** Runs an application that is configured like this for one test. */
export async function withTestApp(
  environment: NodeJS.ProcessEnv,
  test: (daybook: TestApp) => Promise<void>,
): Promise<void> {
  const daybook = await startTestApp(environment);
  try {
    await test(daybook);
  } finally {
    await daybook.stop();
  }
}

async function expectCreated(pending: Promise<TestResponse>): Promise<void> {
  const { status, text } = await pending;
  if (status !== 201) throw new Error(`Expected 201, got ${status}: ${text}`);
}
