import { applyDecorators, type Type } from '@nestjs/common';
import {
  ApiExtraModels,
  ApiHeader,
  ApiOkResponse,
  ApiProperty,
  ApiResponse,
  type ApiResponseOptions,
  getSchemaPath,
} from '@nestjs/swagger';

import { problem } from '../errors/problem-details.js';

export class FieldErrorDocument {
  @ApiProperty({ example: 'lines[0].quantity' })
  readonly path!: string;

  @ApiProperty({ example: 'must not be less than 1' })
  readonly message!: string;
}

/** The shape of every error body, for the OpenAPI document. */
export class ProblemDocument {
  @ApiProperty({ example: 'urn:daybook:problem:validation_failed' })
  readonly type!: string;

  @ApiProperty({ example: 'Validation failed' })
  readonly title!: string;

  @ApiProperty({ type: 'integer', example: 400 })
  readonly status!: number;

  @ApiProperty({ example: 'lines[0].quantity must not be less than 1' })
  readonly detail!: string;

  @ApiProperty({ example: '/api/v1/orders', description: 'The path of the request.' })
  readonly instance!: string;

  @ApiProperty({
    example: 'validation_failed',
    description: 'Stable; switch on it. Some codes bring further members that say what would help.',
  })
  readonly code!: string;

  @ApiProperty({ example: 'd8bd3f60-9ad0-4b2a-8f0e-2a4f0a8e4f39', description: 'Also in `X-Request-Id`.' })
  readonly requestId!: string;

  @ApiProperty({
    type: [FieldErrorDocument],
    required: false,
    description: 'For `validation_failed`: each field.',
  })
  readonly errors?: FieldErrorDocument[];
}

type Headers = NonNullable<ApiResponseOptions['headers']>;

const LOCATION: Headers = {
  Location: { description: 'Where the new resource is.', schema: { type: 'string' } },
};
const ETAG: Headers = {
  ETag: { description: 'The version, for `If-Match`.', schema: { type: 'string', example: '"1"' } },
};
const REPLAYED: Headers = {
  'Idempotent-Replayed': {
    description: '`true` when this is the answer given before to the same `Idempotency-Key`; else absent.',
    schema: { type: 'string', enum: ['true'] },
  },
};
const NEXT_PAGE: Headers = {
  Link: {
    description: 'The next page, `<…>; rel="next"`; absent on the last.',
    schema: { type: 'string', example: '</api/v1/orders?cursor=…>; rel="next"' },
  },
};
const RETRY_AFTER: Headers = {
  'Retry-After': { description: 'Seconds.', schema: { type: 'integer', minimum: 1, example: 1 } },
};

interface Refusal {
  /** Empty: any. */
  readonly codes: readonly string[];
  readonly text: string;
  readonly headers?: Headers;
}

const REFUSALS = {
  400: { codes: ['validation_failed'], text: 'Invalid input; `errors` names each field.' },
  401: { codes: ['unauthenticated'], text: 'No valid token.' },
  403: { codes: ['forbidden'], text: 'The role does not allow it.' },
  404: { codes: ['not_found'], text: 'There is no such thing, or it is not yours to see.' },
  409: {
    codes: [],
    text: 'The current state does not allow it; `code` and the members beside it say what would help.',
  },
  410: {
    codes: ['events_detached'],
    text: 'What follows `after` was detached; `detachedTo` says up to which position.',
  },
  412: { codes: ['version_conflict'], text: 'It is at another version; `currentVersion` says which.' },
  413: { codes: ['payload_too_large'], text: 'The body is too large.' },
  415: { codes: ['unsupported_media_type'], text: 'The body is not `application/json`.' },
  422: { codes: ['idempotency_key_reused'], text: 'The `Idempotency-Key` was used with another request.' },
  429: { codes: ['rate_limited'], text: 'Too many requests from this caller.', headers: RETRY_AFTER },
  503: {
    codes: ['overloaded', 'database_unavailable'],
    text: 'Too busy, or the database is away. Nothing was done, unless `detail` says that this is unknown.',
    headers: RETRY_AFTER,
  },
} as const satisfies Readonly<Record<number, Refusal>>;

function refusal(status: number, { codes, text, headers }: Refusal) {
  const schema = {
    allOf: [
      { $ref: getSchemaPath(ProblemDocument) },
      {
        type: 'object',
        properties: {
          status: { type: 'integer', enum: [status] },
          ...(codes.length > 0 && { code: { type: 'string', enum: [...codes] } }),
        },
      },
    ],
  };
  const fields = status === 400 ? { errors: [{ path: 'limit', message: 'must be a whole number' }] } : {};
  const request = { url: '/api/v1/…', id: 'd8bd3f60-9ad0-4b2a-8f0e-2a4f0a8e4f39' };
  const example = problem(
    status,
    codes[0] ?? 'illegal_transition',
    text.replaceAll('`', ''),
    request,
    fields,
  );
  return ApiResponse({
    status,
    description: text,
    ...(headers && { headers }),
    content: { 'application/problem+json': { schema, example } },
  });
}

/** Documents the refusals of a route: those that every route has, and the given ones. */
export const ApiErrors = (...statuses: (keyof typeof REFUSALS)[]) =>
  applyDecorators(
    ApiExtraModels(ProblemDocument),
    ...([400, 401, 403, 429, 503, ...statuses] as const).map((status) => refusal(status, REFUSALS[status])),
  );

/** Documents a 409 with the codes it can have; in place of the 409 of {@link ApiErrors}. */
export const ApiConflicts = (...codes: [string, ...string[]]) => {
  const text = `The current state does not allow it; the members beside \`code\` say what would help: ${codes
    .map((code) => `\`${code}\``)
    .join(', ')}.`;
  return refusal(409, { codes, text });
};

/** Documents what else a route refuses with a status, by codes of its own; in place of what stands for that status below it. */
export const ApiRefused = (status: number, codes: readonly [string, ...string[]], text: string) =>
  refusal(status, { codes, text, ...(status === 503 && { headers: RETRY_AFTER }) });

/** Documents that a list may be given up. */
export const ApiTooBroad = () =>
  refusal(422, {
    codes: ['query_too_broad'],
    text: 'It would take too long: `narrowBy` names the parameters that would help.',
  });

/** Documents that a creating route honours `Idempotency-Key`. */
export const ApiIdempotent = () =>
  applyDecorators(
    ApiHeader({
      name: 'Idempotency-Key',
      required: false,
      description:
        'Any 1 to 255 visible ASCII characters, quoted or not. A retry with the same key gets the first answer again.',
      schema: { type: 'string', minLength: 1, maxLength: 257 },
    }),
    refusal(422, REFUSALS[422]),
  );

/** Documents that a change can be made to depend on the version that the caller has seen. */
export const ApiIfMatch = () =>
  applyDecorators(
    ApiHeader({
      name: 'If-Match',
      required: false,
      description: 'The `ETag` that was read. Changes nothing when the resource has another version by now.',
      schema: { type: 'string', pattern: '^(\\*|(W/)?"[0-9]{1,9}")$' },
    }),
    refusal(412, REFUSALS[412]),
  );

/** Documents a 201 with the new resource. */
export const ApiCreated = (type: Type, { versioned = false } = {}) =>
  ApiResponse({
    status: 201,
    description: 'Created, and durable.',
    type,
    headers: { ...LOCATION, ...(versioned && ETAG), ...REPLAYED },
  });

/** Documents a 202 with a resource whose fate is not known yet. */
export const ApiAccepted = (type: Type, description: string, { replayable = false } = {}) =>
  ApiResponse({
    status: 202,
    description,
    type,
    headers: { ...ETAG, ...(replayable && { ...LOCATION, ...REPLAYED }) },
  });

/** Documents a 200 with a resource that has a version. */
export const ApiVersioned = (type: Type, description = 'The resource as it is now.') =>
  ApiOkResponse({ type, description, headers: ETAG });

/** Documents a 200 of a POST that honours `Idempotency-Key`. */
export const ApiReplayable = (type: Type, description: string) =>
  ApiOkResponse({ type, description, headers: REPLAYED });

const DISPOSITION: Headers = {
  'Content-Disposition': {
    description: 'A name for the file.',
    schema: { type: 'string', example: 'attachment; filename="orders.csv"' },
  },
};

/** Documents a 200 with a file, in one of several media types, and of what it is made: rows of a class, or text. */
export const ApiFiles = (description: string, schemas: Readonly<Record<string, Type | 'text'>>) =>
  applyDecorators(
    ApiExtraModels(...Object.values(schemas).filter((schema) => schema !== 'text')),
    ApiOkResponse({
      description,
      headers: DISPOSITION,
      content: Object.fromEntries(
        Object.entries(schemas).map(([type, schema]) => [
          type,
          { schema: schema === 'text' ? { type: 'string' } : { $ref: getSchemaPath(schema) } },
        ]),
      ),
    }),
  );

const COUNT: Record<string, object> = {
  total: { type: 'integer', description: 'How many there are in all; with `count` only.' },
  totalAccuracy: { type: 'string', enum: ['exact', 'estimated'], description: 'With `count` only.' },
};

/** Documents a page of the given rows; `counted`: of a list that says on request how many there are. */
export const ApiPage = (row: Type, { counted = false } = {}) =>
  applyDecorators(
    ApiExtraModels(row),
    ApiOkResponse({
      description: 'A page; `nextCursor` is null on the last.',
      headers: NEXT_PAGE,
      schema: {
        type: 'object',
        required: ['data', 'nextCursor'],
        properties: {
          data: { type: 'array', items: { $ref: getSchemaPath(row) } },
          nextCursor: { type: 'string', nullable: true, example: null },
          ...(counted && COUNT),
        },
      },
    }),
  );
