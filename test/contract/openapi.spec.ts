import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { OpenAPIObject } from '@nestjs/swagger';
import { Validator } from '@seriousme/openapi-schema-validator';

import { projectRoot } from '@daybook/platform';

import { createApiDocument } from '../../apps/api/src/api-docs.js';
import { loadDemoData } from '../../apps/api/src/demo-data.js';
import { request, startTestApp, type TestApp } from '../support/app.js';
import { type OwnVenue, startVenue } from '../support/exchange-simulator.js';
import {
  bodySchemaOf,
  type Operation,
  operationsOf,
  resolve,
  type Schema,
  servedDocument,
} from './api-document.js';
import { type Place, SchemaChecker } from './schema-checker.js';

/** The media types of the routes that answer with something else than JSON, or with that too. */
const TYPES: Readonly<Record<string, readonly string[]>> = {
  'GET /api/v1/orders/export': ['application/x-ndjson', 'text/csv'],
  'GET /api/v1/events': ['application/json', 'text/event-stream'],
};

let venue: OwnVenue;
let daybook: TestApp;
let document: OpenAPIObject;

beforeAll(async () => {
  venue = await startVenue();
  daybook = await startTestApp({ EXCHANGE_URL: venue.url });
  document = await servedDocument(daybook);
});
afterAll(async () => {
  await daybook.stop();
  await venue.stop();
});

describe('openapi.json', () => {
  const path = join(projectRoot(), 'openapi.json');

  it('is the document of the running code (UPDATE=1 writes it)', async () => {
    const current = `${JSON.stringify(createApiDocument(daybook.app), null, 2)}\n`;
    if (process.env['UPDATE'] === '1') await writeFile(path, current);
    expect(await readFile(path, 'utf8')).toBe(current);
  });

  it('is what the server serves, to anybody', async () => {
    expect(document).toEqual(JSON.parse(await readFile(path, 'utf8')));
  });

  it('is valid OpenAPI', async () => {
    expect(await new Validator().validate({ ...structuredClone(document) })).toEqual({ valid: true });
  });
});

describe('the document', () => {
  it('refers to nothing that is missing, and has no schema that nothing refers to', () => {
    const text = JSON.stringify(document);
    const referred = new Set(
      [...text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name),
    );
    expect([...referred].sort()).toEqual(Object.keys(document.components?.schemas ?? {}).sort());
  });

  it('names each operation once, as generated clients will call it', () => {
    const ids = operationsOf(document).map(({ operation }) => operation.operationId);
    expect(ids.filter((id) => !/^[A-Z][a-z]+_[a-z][A-Za-z]+$/.test(id ?? ''))).toEqual([]);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('describes every answer, and the body of every answer that has one', () => {
    for (const { route, operation } of operationsOf(document)) {
      for (const [status, item] of Object.entries(operation.responses)) {
        const { description, content } = resolve(document, item as NonNullable<typeof item>);
        expect({ route, status, description }).toEqual({
          route,
          status,
          description: expect.stringMatching(/\S/),
        });
        const types =
          Number(status) < 400 ? (TYPES[route] ?? ['application/json']) : ['application/problem+json'];
        expect({ route, status, types: Object.keys(content ?? {}) }).toEqual({ route, status, types });
      }
    }
  });

  it('says of every creating route where the new resource is, and of every versioned one its entity tag', () => {
    for (const { route, method, operation } of operationsOf(document)) {
      const parameters = (operation.parameters ?? []).map((parameter) => resolve(document, parameter).name);
      const headersOf = (status: string) => {
        const item = operation.responses[status];
        return item === undefined ? [] : Object.keys(resolve(document, item).headers ?? {});
      };
      if ('201' in operation.responses) {
        expect({ route, headers: headersOf('201') }).toEqual({
          route,
          headers: expect.arrayContaining(['Location', 'Idempotent-Replayed']),
        });
      }
      if (method === 'PATCH') {
        expect({ route, parameters, headers: headersOf('200') }).toEqual({
          route,
          parameters: expect.arrayContaining(['If-Match']),
          headers: ['ETag'],
        });
      }
      if (parameters.includes('cursor'))
        expect({ route, headers: headersOf('200') }).toEqual({
          route,
          headers: [route.endsWith('/export') ? 'Content-Disposition' : 'Link'],
        });
      expect({ route, headers: headersOf('503') }).toEqual({ route, headers: ['Retry-After'] });
    }
  });

  it('describes every query parameter and every header', () => {
    for (const { route, operation } of operationsOf(document)) {
      for (const item of operation.parameters ?? []) {
        const { name, in: place, description } = resolve(document, item);
        if (place === 'path') continue;
        expect({ route, name, description }).toEqual({
          route,
          name,
          description: expect.stringMatching(/\S/),
        });
      }
    }
  });

  it('has examples and defaults that fit their own schemas', () => {
    const checker = new SchemaChecker(document);
    const found = findExamples(document);
    expect(found.length).toBeGreaterThan(50);
    const unfit = found.flatMap(({ place, value }) =>
      checker.problems(place, value).map((problem) => `${place.join('/')}: ${problem}`),
    );
    expect(unfit).toEqual([]);
  });
});

/** Every example and default of the document, with the place of the schema that it must fit. */
function findExamples(value: unknown, place: Place = []): { place: Place; value: unknown }[] {
  if (typeof value !== 'object' || value === null) return [];
  const node = value as Record<string, unknown>;
  const isSchema = place.at(-2) === 'properties' || ['schema', 'items'].includes(place.at(-1) ?? '');
  const schemaPlace = isSchema ? place : [...place, 'schema'];
  const own = (isSchema || 'schema' in node ? ['example', 'default'] : [])
    .filter((key) => key in node)
    .map((key) => ({ place: schemaPlace, value: node[key] }));
  const named =
    'schema' in node ? Object.values((node['examples'] ?? {}) as Record<string, { value: unknown }>) : [];
  const inside = Object.entries(node)
    .filter(([key]) => !['example', 'examples', 'default'].includes(key))
    .flatMap(([key, child]) => findExamples(child, [...place, key]));
  return [...own, ...named.map((example) => ({ place: schemaPlace, value: example.value })), ...inside];
}

describe('Swagger UI', () => {
  /** What Swagger UI fills in for a schema: the example, the default, the first choice, else something of the type. */
  function sampleOf(item: Schema | { readonly $ref: string }): unknown {
    const schema = resolve(document, item);
    if ('example' in schema) return schema.example;
    if ('default' in schema) return schema.default;
    if (schema.enum !== undefined) return schema.enum[0];
    if (schema.type === 'object') {
      return Object.fromEntries(
        Object.entries(schema.properties ?? {}).map(([name, child]) => [name, sampleOf(child)]),
      );
    }
    if (schema.type === 'array') return [sampleOf(schema.items as Schema)];
    return { integer: schema.minimum ?? 0, number: 0, boolean: true, string: 'string' }[
      schema.type as 'string'
    ];
  }

  function prefilledBody(operation: Operation): unknown {
    const schema = bodySchemaOf(document, operation);
    if (schema === undefined) return undefined;
    const { content } = resolve(document, operation.operation.requestBody as object) as {
      content: Record<string, { examples?: Record<string, { value: unknown }> }>;
    };
    const [example] = Object.values(content['application/json']?.examples ?? {});
    return example === undefined ? sampleOf(schema) : example.value;
  }

  /** By the path of a collection, the id of what its POST has made. */
  const made = new Map<string, string>();

  function prefilledPath({ path, operation }: Operation): string {
    const parameters = (operation.parameters ?? []).map((item) => resolve(document, item));
    return parameters
      .filter(({ in: where }) => where === 'path')
      .reduce((url, { name, schema }) => {
        const id = name === 'id' ? made.get(path.slice(0, path.indexOf('/{id}'))) : undefined;
        return url.replace(`{${name}}`, id ?? String(sampleOf(schema as Schema)));
      }, path);
  }

  it('answers every pre-filled request on the demo catalogue, after one of each thing was made', async () => {
    await loadDemoData(daybook.app);
    await daybook.api('POST', '/admin/jobs/make-report/run', { token: daybook.tokens.admin });
    const operations = operationsOf(document);
    const isMaking = ({ method, path }: Operation) =>
      method === 'POST' && operations.some((other) => other.path === `${path}/{id}`);
    const [making, others] = [true, false].map((wanted) =>
      operations.filter((operation) => isMaking(operation) === wanted),
    ) as [Operation[], Operation[]];
    for (const operation of [...making, ...others]) {
      const { method, path, route } = operation;
      const body = prefilledBody(operation);
      const token = daybook.tokens.admin;
      const answer = await request(daybook.origin, method, prefilledPath(operation), {
        token,
        ...(body !== undefined && { body }),
      });
      const { responses } = operation.operation;
      expect({ route, status: answer.status, text: answer.text }).toEqual({
        route,
        status: Number(['201', '200', '202'].find((status) => status in responses)),
        text: answer.text,
      });
      if (isMaking(operation)) made.set(path, answer.body.id);
      if (path.endsWith('/bulk')) {
        expect(answer.body.results.map(({ status }: { status: number }) => status)).toEqual([201, 201]);
      }
    }
    expect(made.size).toBeGreaterThan(1);
  });

  it('is served to anybody', async () => {
    const page = await request(daybook.origin, 'GET', '/docs');
    expect(page).toMatchObject({ status: 200, text: expect.stringContaining('swagger-ui') });
  });
});
