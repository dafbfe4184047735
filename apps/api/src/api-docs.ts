import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';

import { CONFIG, type DaybookConfig } from '@daybook/platform';

import { API_DOCS_STYLE } from './api-docs-style.js';

const DESCRIPTION = `Orders that are numbered, stocked, audited and durable.

**Your first order:** open *Place an order* and press **Execute**. The answer has its number, such as 20261120-00001.
With that number, below: read the order, read which moves are allowed, cancel it, read its audit trail.

Errors are \`application/problem+json\` with a stable \`code\`. A POST that is sent again with the same \`Idempotency-Key\`
is not done again: it gets the first answer.`;

const TOKEN_DESCRIPTION = 'A JWT; its `roles` (`customer`, `operator`, `admin`) say what it may do.';

/** The groups of routes in the order in which they are shown; a group that is not named here comes last. */
const GROUPS = [
  ['Orders', 'Place them, read them, move them.'],
  ['Reservations', 'Hold stock for a while, until somebody orders it.'],
  ['Catalogue and stock', 'What can be ordered, and how much of it there is.'],
  ['Exchange', 'Orders for securities: placed at a venue, and what it reports of them.'],
  ['Audit', 'Who changed what, and when.'],
  ['Operations', 'How Daybook is doing: figures of this moment, and periodic reports.'],
  ['Administration', 'What Daybook does by the clock.'],
] as const;

/** The OpenAPI document of the running code; `openapi.json` in the project's root is a copy of it. */
export function createApiDocument(app: NestFastifyApplication): OpenAPIObject {
  const builder = new DocumentBuilder()
    .setTitle('Daybook')
    .setDescription(DESCRIPTION)
    .setVersion('1')
    .setExternalDoc('openapi.json', '/openapi.json')
    .setLicense('MIT', 'https://spdx.org/licenses/MIT.html')
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: TOKEN_DESCRIPTION });
  for (const [name, description] of GROUPS) builder.addTag(name, description);
  return SwaggerModule.createDocument(app, builder.build(), {
    operationIdFactory: (controller, method) => `${controller.replace('Controller', '')}_${method}`,
  });
}

/** Serves `/docs` (Swagger UI) and `/openapi.json`. */
export function serveApiDocs(app: NestFastifyApplication, developmentToken?: string): void {
  const { businessTimezone } = app.get<DaybookConfig>(CONFIG);
  const scheme = { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', in: 'header' };
  SwaggerModule.setup('docs', app, () => createApiDocument(app), {
    jsonDocumentUrl: 'openapi.json',
    raw: ['json'],
    customSiteTitle: 'Daybook API',
    customCss: API_DOCS_STYLE,
    patchDocumentOnRequest: (request, _reply, document) =>
      (request as FastifyRequest).url.endsWith('.js') ? toTryOut(document, businessTimezone) : document,
    swaggerOptions: {
      layout: 'BaseLayout',
      docExpansion: 'list',
      defaultModelsExpandDepth: 0,
      displayRequestDuration: true,
      tryItOutEnabled: true,
      validatorUrl: null,
      ...(developmentToken !== undefined && {
        authAction: { bearer: { name: 'bearer', schema: scheme, value: developmentToken } },
      }),
    },
  });
}

/**
 * The document for Swagger UI, which fills in every example and sends it. So the example of an order's number becomes
 * today's first one, and filters lose theirs: a list would look empty.
 */
function toTryOut(document: OpenAPIObject, timeZone: string): OpenAPIObject {
  const today = new Intl.DateTimeFormat('sv', { timeZone }).format().replaceAll('-', '');
  const text = JSON.stringify(document).replaceAll('20261120-', `${today}-`);
  return JSON.parse(text, (_key, value: unknown) =>
    isFilter(value) ? withoutExample(value) : value,
  ) as OpenAPIObject;
}

interface Filter {
  readonly in: 'query';
  readonly schema?: object;
}

function isFilter(value: unknown): value is Filter {
  return typeof value === 'object' && value !== null && 'in' in value && value.in === 'query';
}

function withoutExample(filter: Filter): Filter {
  return { ...filter, schema: { ...filter.schema, example: undefined } };
}
