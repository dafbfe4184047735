import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { Injectable, Module } from '@nestjs/common';
import { CqrsModule } from '@nestjs/cqrs';
import { Test } from '@nestjs/testing';

import { loadConfig, PlatformModule } from '@daybook/platform';

import { TEST_SECRET } from '../../../test/support/app.js';
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.js';
import { exchangeOrder } from '../../../test/support/exchange-order.js';
import { EXCHANGE_GATEWAY, type ExchangeGateway } from './exchange-gateway.js';
import { ExchangeModule } from './exchange.module.js';
import { NoVenue } from './gateways/no-venue.js';
import { RestGateway } from './gateways/rest-gateway.js';
import { Venue } from './venue.js';

@Injectable()
class Floor {
  isOpen = true;
}

@Module({ providers: [Floor], exports: [Floor] })
class FloorModule {}

@Injectable()
class FloorGateway extends NoVenue {
  constructor(readonly floor: Floor) {
    super();
  }

  async close(): Promise<void> {
    this.floor.isOpen = false;
  }
}

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

async function open(
  module: NonNullable<Parameters<typeof Test.createTestingModule>[0]['imports']>[number],
  environment: NodeJS.ProcessEnv = {},
) {
  const config = {
    ...loadConfig({ DAYBOOK_ROLES: 'api', AUTH_JWT_SECRET: TEST_SECRET, ...environment }),
    databaseUrl: database.url,
  };
  const imports = [PlatformModule.forRoot(config), CqrsModule.forRoot(), module];
  return (await Test.createTestingModule({ imports }).compile()).init();
}

it('there is no venue unless one is configured', async () => {
  const app = await open(ExchangeModule);
  const gateway = app.get<ExchangeGateway>(EXCHANGE_GATEWAY, { strict: false });
  expect(gateway.venue).toBe('NONE');
  await app.close();
});

it('the configured venue is spoken to by REST', async () => {
  const app = await open(ExchangeModule, { EXCHANGE_URL: 'http://127.0.0.1:1', EXCHANGE_VENUE: 'XFRA' });
  const gateway = app.get<ExchangeGateway>(EXCHANGE_GATEWAY, { strict: false });
  expect(gateway).toBeInstanceOf(RestGateway);
  expect(gateway.venue).toBe('XFRA');
  await app.close();
});

it('no request waits for another of ours: what is asked in the background has connections of its own', async () => {
  const silent = createServer((request, response) => {
    if (request.method === 'POST') response.writeHead(201).end('{}');
  });
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const app = await open(ExchangeModule, {
    EXCHANGE_URL: `http://127.0.0.1:${(silent.address() as AddressInfo).port}`,
    EXCHANGE_CONNECTIONS: '1',
    EXCHANGE_TIMEOUT_MS: '1000',
  });
  const venue = app.get(Venue, { strict: false });
  const asked = once(silent, 'request');
  const asking = venue.inBackground(() => venue.find(exchangeOrder()));
  await asked;
  const placed = await venue.whenFree(() => venue.place(exchangeOrder()));
  expect(placed).toEqual({ kind: 'accepted' });
  expect(await asking).toMatchObject({ kind: 'unknown' });
  await app.close();
  silent.closeAllConnections();
  silent.close();
});

it('a gateway of a team takes its place, with what it needs, and is closed at the end', async () => {
  const app = await open(ExchangeModule.withGateway(FloorGateway, [FloorModule]));
  const gateway = app.get<FloorGateway>(EXCHANGE_GATEWAY, { strict: false });
  expect(gateway).toBeInstanceOf(FloorGateway);
  expect(gateway.floor.isOpen).toBe(true);
  await app.close();
  expect(gateway.floor.isOpen).toBe(false);
});
