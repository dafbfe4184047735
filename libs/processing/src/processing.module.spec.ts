import { Injectable, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';

import { loadConfig, PlatformModule } from '@daybook/platform';

import { TEST_SECRET } from '../../../test/support/app.js';
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.js';
import { ORDER_PROCESSOR, type OrderProcessor } from './order-processor.js';
import { ProcessingModule } from './processing.module.js';
import { SimulatedProcessor } from './processors/simulated-processor.js';

@Injectable()
class Depot {
  isOpen = true;
}

@Module({ providers: [Depot], exports: [Depot] })
class DepotModule {}

@Injectable()
class ParcelProcessor implements OrderProcessor {
  constructor(readonly depot: Depot) {}

  async process(): Promise<void> {}

  close(): void {
    this.depot.isOpen = false;
  }
}

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

async function open(module: Parameters<typeof Test.createTestingModule>[0]['imports']) {
  const config = {
    ...loadConfig({ DAYBOOK_ROLES: 'worker', AUTH_JWT_SECRET: TEST_SECRET }),
    databaseUrl: database.url,
  };
  const imports = [PlatformModule.forRoot(config), ...(module ?? [])];
  return (await Test.createTestingModule({ imports }).compile()).init();
}

it('the configured processor works unless a team brings its own', async () => {
  const app = await open([ProcessingModule]);
  expect(app.get(ORDER_PROCESSOR, { strict: false })).toBeInstanceOf(SimulatedProcessor);
  await app.close();
});

it('a processor of a team takes its place, with what it needs, and is closed at the end', async () => {
  const app = await open([ProcessingModule.withProcessor(ParcelProcessor, [DepotModule])]);
  const processor = app.get<ParcelProcessor>(ORDER_PROCESSOR, { strict: false });
  expect(processor).toBeInstanceOf(ParcelProcessor);
  expect(processor.depot.isOpen).toBe(true);
  await app.close();
  expect(processor.depot.isOpen).toBe(false);
});
