import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';

const DESCRIPTION = `Orders: numbered, stocked, audited and durable.

Try it: **POST /api/v1/orders** with the example as it is, then read the order, its transitions and its audit trail.`;

/** The OpenAPI document of the running code; `openapi.json` in the project's root is a copy of it. */
export function createApiDocument(app: NestFastifyApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setTitle('Daybook')
    .setDescription(DESCRIPTION)
    .setVersion('1')
    .setLicense('MIT', 'https://spdx.org/licenses/MIT.html')
    .addBearerAuth()
    .build();
  return SwaggerModule.createDocument(app, config, {
    operationIdFactory: (controller, method) => `${controller.replace('Controller', '')}_${method}`,
  });
}

/** Serves `/docs` (Swagger UI) and `/openapi.json`. */
export function serveApiDocs(app: NestFastifyApplication, developmentToken?: string): void {
  const scheme = { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', in: 'header' };
  SwaggerModule.setup('docs', app, () => createApiDocument(app), {
    jsonDocumentUrl: 'openapi.json',
    customSiteTitle: 'Daybook API',
    swaggerOptions: {
      docExpansion: 'list',
      displayRequestDuration: true,
      tryItOutEnabled: true,
      ...(developmentToken !== undefined && {
        authAction: { bearer: { name: 'bearer', schema: scheme, value: developmentToken } },
      }),
    },
  });
}
