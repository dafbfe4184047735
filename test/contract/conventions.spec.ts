import { hash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { DiscoveryService } from '@nestjs/core';
import { Command, Query } from '@nestjs/cqrs';

import { exchangeOrderStatusMachine } from '@daybook/exchange';
import { reservationStatusMachine } from '@daybook/inventory';
import { orderStatusMachine } from '@daybook/orders';
import { projectRoot, type StateMachine } from '@daybook/platform';

import { startTestApp, type TestApp } from '../support/app.js';
import { operationsOf, resolve, servedDocument } from './api-document.js';
import { routesOf } from './nest-routes.js';

let daybook: TestApp;

beforeAll(async () => {
  daybook = await startTestApp();
});
afterAll(() => daybook.stop());

const libraries = join(projectRoot(), 'libs');

async function filesOf(pattern: RegExp): Promise<string[]> {
  const files = await readdir(libraries, { recursive: true });
  return files.filter((file) => pattern.test(file)).sort();
}

describe('every route', () => {
  it('declares who may call it, or that anybody may', () => {
    const routes = routesOf(daybook);
    expect(routes.length).toBeGreaterThan(15);
    expect(routes.filter(({ access }) => access === undefined)).toEqual([]);
  });

  it('is in the OpenAPI document, or is for the tools of operators or for fulfilment services', async () => {
    const documented = operationsOf(await servedDocument(daybook)).map(({ route }) => route);
    const routed = routesOf(daybook)
      .map(({ route }) => route)
      .filter((route) => route.includes(' /api/') && !route.includes('/processing/callbacks/'));
    expect(documented.sort()).toEqual(routed.sort());
  });

  it('that is not public asks for a token in the document, and a public one does not', async () => {
    const access = new Map(routesOf(daybook).map((route) => [route.route, route.access]));
    for (const { route, operation } of operationsOf(await servedDocument(daybook))) {
      const security = access.get(route) === 'public' ? undefined : [{ bearer: [] }];
      expect({ route, security: operation.security }).toEqual({ route, security });
    }
  });

  it('is documented by classes of which no two share a name: one would stand for both', async () => {
    const sources = await filesOf(/^[^/]+\/src\/.+(?<!\.spec)\.ts$/);
    const texts = await Promise.all(sources.map((file) => readFile(join(libraries, file), 'utf8')));
    const names = texts.flatMap((text) =>
      [...text.matchAll(/^(?:export )?class (\w+(?:Request|Response))\b/gm)].map(([, name]) => name),
    );
    expect(names.length).toBeGreaterThan(30);
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  });

  it('that creates something honours Idempotency-Key by its document', async () => {
    const document = await servedDocument(daybook);
    const creating = operationsOf(document).filter(
      ({ method, path, operation }) =>
        method === 'POST' && ('201' in operation.responses || path.endsWith('/bulk')),
    );
    expect(creating.length).toBeGreaterThanOrEqual(5);
    for (const { route, operation } of creating) {
      const headers = (operation.parameters ?? []).map((parameter) => resolve(document, parameter).name);
      const statuses = Object.keys(operation.responses);
      expect({ route, headers, statuses }).toEqual({
        route,
        headers: expect.arrayContaining(['Idempotency-Key']),
        statuses: expect.arrayContaining(['422']),
      });
    }
  });

  it('says in a few words what it does, differently from every other', async () => {
    const summaries = operationsOf(await servedDocument(daybook)).map(
      ({ operation }) => operation.summary ?? '',
    );
    expect(summaries.filter((summary) => !/^[A-Z].{5,70}[^.]$/.test(summary))).toEqual([]);
    expect(new Set(summaries).size).toBe(summaries.length);
  });
});

describe('commands and queries', () => {
  type Handled = abstract new (...args: never[]) => unknown;

  /** The classes of a kind that the use cases export. */
  async function declared(kind: 'command' | 'query', base: Handled): Promise<Handled[]> {
    const files = await filesOf(new RegExp(String.raw`\.${kind}\.ts$`));
    const modules = await Promise.all(
      files.map(async (file) => (await import(join(libraries, file))) as Record<string, unknown>),
    );
    return modules
      .flatMap((module) => Object.values(module))
      .filter((value): value is Handled => typeof value === 'function' && value.prototype instanceof base);
  }

  /** What each provider of the application says it handles, under the metadata of @nestjs/cqrs. */
  const handled = (metadata: string): unknown[] =>
    daybook.app
      .get(DiscoveryService, { strict: false })
      .getProviders()
      .flatMap(({ metatype }) => (metatype ? [Reflect.getMetadata(metadata, metatype) as unknown] : []))
      .filter((target) => target !== undefined);

  const names = (classes: readonly unknown[]) => classes.map((type) => (type as Handled).name).sort();

  it('have one handler each, and each handler has its own', async () => {
    const commands = await declared('command', Command);
    const queries = await declared('query', Query);
    expect(names(commands)).toContain('PlaceOrder');
    expect(names(queries)).toContain('ListOrders');
    expect(names(handled('__commandHandler__'))).toEqual(names(commands));
    expect(names(handled('__queryHandler__'))).toEqual(names(queries));
  });
});

describe('migrations', () => {
  const NAME = /^([\w-]+)[/\\]migrations[/\\](\d{8}_\d{4}_[a-z0-9_]+)\.sql$/;

  it('have names that say when and what, and that are unique over all libraries', async () => {
    const files = await filesOf(/\.sql$/);
    expect(files.filter((file) => !NAME.test(file))).toEqual([]);
    const names = files.map((file) => NAME.exec(file)?.[2]);
    expect(new Set(names).size).toBe(names.length);
    const times = names.map((name) => name?.slice(0, 13));
    expect(new Set(times).size).toBe(times.length);
  });

  it('were applied in the order of their names, each as its file says now', async () => {
    const files = await filesOf(NAME);
    const expected = await Promise.all(
      files.map(async (file) => ({
        name: NAME.exec(file)?.[2] ?? '',
        checksum: hash('sha256', await readFile(join(libraries, file), 'utf8')),
      })),
    );
    const applied = await daybook.database.query(
      'SELECT name, checksum FROM schema_migrations ORDER BY applied_at',
    );
    expect(applied).toEqual(expected.sort((a, b) => (a.name < b.name ? -1 : 1)));
  });
});

describe.each<[file: string, machine: StateMachine<string>]>([
  ['docs/order-status.md', orderStatusMachine],
  ['docs/reservation-status.md', reservationStatusMachine],
  ['docs/exchange-order-status.md', exchangeOrderStatusMachine],
])('%s', (file, machine) => {
  const path = join(projectRoot(), file);

  it('shows the state machine as it is (UPDATE=1 rewrites the diagram)', async () => {
    const page = await readFile(path, 'utf8');
    const current = page.replace(/(?<=```mermaid\n)[^]*?(?=\n```)/, machine.toMermaid());
    expect(current).toContain(machine.toMermaid());
    if (process.env['UPDATE'] === '1') await writeFile(path, current);
    else expect(page).toBe(current);
  });

  it('says of every status what it means', async () => {
    const page = await readFile(path, 'utf8');
    for (const status of machine.states) expect(page).toMatch(new RegExp(`^\\| \`${status}\` \\| \\S`, 'm'));
  });
});
