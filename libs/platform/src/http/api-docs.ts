import { applyDecorators, type Type } from '@nestjs/common';
import { ApiExtraModels, ApiHeader, ApiOkResponse, ApiProperty, ApiResponse, getSchemaPath } from '@nestjs/swagger';

/** The shape of every error body, for the OpenAPI document. */
export class ProblemDocument {
  @ApiProperty({ example: 'urn:daybook:problem:validation_failed' })
  readonly type!: string;

  @ApiProperty({ example: 'Validation failed' })
  readonly title!: string;

  @ApiProperty({ example: 400 })
  readonly status!: number;

  @ApiProperty({ example: 'lines[0].quantity must not be less than 1' })
  readonly detail!: string;

  @ApiProperty({ example: '/api/v1/orders' })
  readonly instance!: string;

  @ApiProperty({ example: 'validation_failed', description: 'Stable; switch on it.' })
  readonly code!: string;

  @ApiProperty({ example: 'e7c9…' })
  readonly requestId!: string;

  @ApiProperty({
    required: false,
    type: 'array',
    items: { type: 'object', properties: { path: { type: 'string' }, message: { type: 'string' } } },
  })
  readonly errors?: { path: string; message: string }[];
}

const ERROR_TEXTS: Readonly<Record<number, string>> = {
  400: 'Invalid input; `errors` names each field.',
  401: 'No valid token.',
  403: 'The role does not allow it.',
  404: 'Not found.',
  409: 'The current state does not allow it; the body says what would help.',
  412: '`If-Match` names another version.',
  413: 'The body is too large.',
  415: 'The body is not JSON.',
  422: 'The Idempotency-Key was used with another request.',
  503: 'Too busy, or the database is away; retry after `Retry-After`.',
};

/** Documents the refusals of a route: those every route has, and the given ones. */
export const ApiErrors = (...statuses: (keyof typeof ERROR_TEXTS)[]) =>
  applyDecorators(
    ApiExtraModels(ProblemDocument),
    ...[400, 401, 403, 503, ...statuses].map((status) =>
      ApiResponse({
        status,
        description: ERROR_TEXTS[status] as string,
        content: { 'application/problem+json': { schema: { $ref: getSchemaPath(ProblemDocument) } } },
      }),
    ),
  );

/** Documents that a creating route honours `Idempotency-Key`. */
export const ApiIdempotent = () =>
  applyDecorators(
    ApiHeader({
      name: 'Idempotency-Key',
      required: false,
      description: 'Any 1 to 255 visible characters. A retry with the same key gets the first answer again.',
      schema: { type: 'string', minLength: 1, maxLength: 255 },
    }),
    ApiResponse({ status: 422, description: ERROR_TEXTS[422] as string }),
  );

/** Documents a page of the given rows. */
export const ApiPage = (row: Type) =>
  applyDecorators(
    ApiExtraModels(row),
    ApiOkResponse({
      description: 'A page; `nextCursor` is null on the last.',
      schema: {
        type: 'object',
        required: ['data', 'nextCursor'],
        properties: {
          data: { type: 'array', items: { $ref: getSchemaPath(row) } },
          nextCursor: { type: 'string', nullable: true },
        },
      },
    }),
  );
