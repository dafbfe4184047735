import { BadRequestException, HttpException, Logger, NotFoundException } from '@nestjs/common';
import { fastify, type FastifyInstance, type LightMyRequestResponse } from 'fastify';
import { QueryFailedError } from 'typeorm';

import {
  DatabaseUnavailable,
  Forbidden,
  NotFound,
  OutcomeUnknown,
  Overloaded,
  RateLimited,
  Unauthenticated,
  ValidationFailed,
  VersionConflict,
} from './domain-error.js';
import { type ProblemDetails, ProblemDetailsFilter, toProblem } from './problem-details.js';

let server: FastifyInstance;
let thrown: unknown;
const logged: { level: string; entry: { err?: unknown } }[] = [];

beforeAll(async () => {
  const filter = new ProblemDetailsFilter();
  server = fastify({ genReqId: () => 'request-7' });
  server.post('/orders/:id', (request, reply) => filter.send(thrown, request, reply));
  await server.ready();
  const note = (level: string) => (entry: object) => void logged.push({ level, entry });
  Logger.overrideLogger({ error: note('error'), warn: note('warn'), log: note('log') });
});
afterAll(() => server.close());
beforeEach(() => logged.splice(0));

async function answerTo(error: unknown): Promise<LightMyRequestResponse & { problem: ProblemDetails }> {
  thrown = error;
  const response = await server.inject({ method: 'POST', url: '/orders/5?secret=1' });
  return Object.assign(response, { problem: response.json<ProblemDetails>() });
}

const databaseError = (code: string) =>
  new QueryFailedError('SELECT', [], Object.assign(new Error('words of the database'), { code }));

describe('a refusal of ours', () => {
  it('is answered as RFC 9457 describes it, with its code, its request and its details', async () => {
    const { problem, headers, statusCode } = await answerTo(new VersionConflict(3));
    expect(statusCode).toBe(412);
    expect(headers).toMatchObject({
      'content-type': expect.stringMatching(/^application\/problem\+json(;|$)/),
      'x-request-id': 'request-7',
    });
    expect(problem).toEqual({
      type: 'urn:daybook:problem:version_conflict',
      title: 'Version conflict',
      status: 412,
      detail: 'The resource is at version 3 now.',
      instance: '/orders/5',
      code: 'version_conflict',
      requestId: 'request-7',
      currentVersion: 3,
    });
  });

  it.each<[status: number, code: string, error: Error]>([
    [400, 'validation_failed', new ValidationFailed([{ path: 'a', message: 'must be b' }])],
    [401, 'unauthenticated', new Unauthenticated('Who are you?')],
    [403, 'forbidden', new Forbidden('No.')],
    [404, 'not_found', new NotFound('Nothing.')],
    [429, 'rate_limited', new RateLimited(7)],
    [503, 'overloaded', new Overloaded()],
    [503, 'database_unavailable', new DatabaseUnavailable()],
    [503, 'database_unavailable', new OutcomeUnknown()],
  ])(
    'has its status %i and code %s in the answer, and is no matter for the log',
    async (status, code, error) => {
      const { problem, statusCode } = await answerTo(error);
      expect(statusCode).toBe(status);
      expect(problem).toMatchObject({ status, code, detail: error.message });
      expect(logged).toEqual([]);
    },
  );

  it('names the fields that do not fit', async () => {
    const errors = [{ path: 'lines[0].sku', message: 'must be a text' }];
    expect((await answerTo(new ValidationFailed(errors))).problem).toMatchObject({ errors });
  });

  it('says after how many seconds to come back when that makes sense', async () => {
    expect((await answerTo(new RateLimited(7))).headers).toMatchObject({ 'retry-after': '7' });
    expect((await answerTo(new Overloaded())).headers).toMatchObject({ 'retry-after': '1' });
    expect((await answerTo(new NotFound('Nothing.'))).headers).not.toHaveProperty('retry-after');
  });

  it('asks for a bearer token when there is no good one', async () => {
    expect((await answerTo(new Unauthenticated('Who are you?'))).headers).toMatchObject({
      'www-authenticate': 'Bearer',
    });
  });

  it('that hides a deeper failure brings it to the log, and only there', async () => {
    const { body } = await answerTo(new OutcomeUnknown(new Error('what lay behind')));
    expect(body).not.toContain('what lay behind');
    expect(logged).toMatchObject([
      { level: 'warn', entry: { err: { message: 'what lay behind' }, requestId: 'request-7' } },
    ]);
  });

  it('looks the same as a part of a larger answer', async () => {
    const error = new NotFound('Nothing.');
    expect((await answerTo(error)).problem).toEqual(toProblem(error, { url: '/orders/5', id: 'request-7' }));
  });
});

describe('an error of the database that means "not now"', () => {
  it.each(['08006', '57P01', '53300', 'ECONNREFUSED', 'ECONNRESET'])(
    '(%s, no connection) is 503',
    async (code) => {
      const { problem, headers } = await answerTo(databaseError(code));
      expect(problem).toMatchObject({ status: 503, code: 'database_unavailable' });
      expect(headers).toMatchObject({ 'retry-after': '1' });
    },
  );

  it.each([
    ['a lock was not granted in time', databaseError('55P03')],
    ['a statement ran out of time', databaseError('57014')],
    ['no connection was free', new Error('timeout exceeded when trying to connect')],
  ])('(%s) is 503 overloaded', async (_, error) => {
    const { problem, headers } = await answerTo(error);
    expect(problem).toMatchObject({ status: 503, code: 'overloaded' });
    expect(headers).toMatchObject({ 'retry-after': '1' });
  });
});

describe('an error of the framework', () => {
  it.each<[code: string, status: number, error: unknown]>([
    ['validation_failed', 400, new BadRequestException('Bad things')],
    ['not_found', 404, new NotFoundException('Cannot POST /orders/5')],
    ['request_timeout', 408, new HttpException('Too slow', 408)],
    ['payload_too_large', 413, Object.assign(new Error('Body is too large'), { statusCode: 413 })],
    ['unsupported_media_type', 415, Object.assign(new Error('Unsupported Media Type'), { statusCode: 415 })],
    ['validation_failed', 418, new HttpException('A teapot', 418)],
  ])('gets the code %s for its status %i', async (code, status, error) => {
    const { problem, statusCode } = await answerTo(error);
    expect(statusCode).toBe(status);
    expect(problem).toMatchObject({ status, code, instance: '/orders/5', requestId: 'request-7' });
    expect(logged).toEqual([]);
  });

  it('that says which input is bad says it as our own refusals do', async () => {
    const { problem } = await answerTo(new BadRequestException('Bad things'));
    expect(problem).toMatchObject({ errors: [{ path: 'request', message: 'Bad things' }] });
  });
});

describe('an error that nobody can name', () => {
  it.each<[what: string, error: unknown]>([
    ['an error of our own making', new TypeError('x is not a function')],
    ['an unexpected error of the database', databaseError('23505')],
    [
      'an exception of the framework for a fault of the server',
      new HttpException('words of the framework', 500),
    ],
    ['an error with a nonsensical status', Object.assign(new Error('odd'), { statusCode: 200 })],
    ['a text', 'words that were thrown'],
    ['null', null],
    ['nothing', undefined],
  ])(
    '(%s) is 500, tells the client nothing but the request id, and tells the log everything',
    async (_, error) => {
      const { problem, statusCode } = await answerTo(error);
      expect(statusCode).toBe(500);
      expect(problem).toEqual({
        type: 'urn:daybook:problem:internal_error',
        title: 'Internal error',
        status: 500,
        detail: 'Something went wrong on our side. The log has it under this request id.',
        instance: '/orders/5',
        code: 'internal_error',
        requestId: 'request-7',
      });
      expect(logged).toMatchObject([{ level: 'error', entry: { requestId: 'request-7', method: 'POST' } }]);
      expect(logged[0]?.entry.err).toBe(error);
    },
  );
});
