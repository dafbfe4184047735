import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Logger } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';

import { isConnectionLost, isLockTimeout, isPoolTimeout, sqlState } from '../database/database-errors.js';
import { DatabaseUnavailable, DomainError, Overloaded } from './domain-error.js';

/** An error body as RFC 9457 describes it, plus `code`, `requestId` and the details of the code. */
export interface ProblemDetails {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance: string;
  /** Stable, lower snake case; clients switch on it. */
  readonly code: string;
  readonly requestId: string;
  readonly [detail: string]: unknown;
}

/** Codes of errors that the framework raises before any handler of ours runs. */
const CODES_BY_STATUS: Readonly<Record<number, string>> = {
  400: 'validation_failed',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not_found',
  408: 'request_timeout',
  413: 'payload_too_large',
  414: 'validation_failed',
  415: 'unsupported_media_type',
  431: 'validation_failed',
  503: 'overloaded',
};

/** Where the framework's own words would tell a client less. */
const DETAILS_BY_STATUS: Readonly<Record<number, string>> = {
  404: 'There is nothing here.',
  413: 'The body is too large.',
  415: 'The body must be application/json.',
};

export function toProblem(error: DomainError, request: { url: string; id: string }): ProblemDetails {
  return problem(error.status, error.code, error.message, request, error.details);
}

/** The problem of a request that the framework refuses before any route of ours sees it. */
export function toRequestProblem(
  status: number,
  detail: string,
  request: { url: string; id: string },
): ProblemDetails {
  const code = CODES_BY_STATUS[status] ?? 'validation_failed';
  const errors = code === 'validation_failed' ? { errors: [{ path: 'request', message: detail }] } : {};
  return problem(status, code, detail, request, errors);
}

export function problem(
  status: number,
  code: string,
  detail: string,
  request: { url: string; id: string },
  details: Readonly<Record<string, unknown>> = {},
): ProblemDetails {
  return {
    type: `urn:daybook:problem:${code}`,
    title: sentence(code),
    status,
    detail,
    instance: request.url.split('?', 1)[0] as string,
    code,
    requestId: request.id,
    ...details,
  };
}

/** `insufficient_stock` -> `Insufficient stock` */
function sentence(code: string): string {
  const words = code.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Turns every error into problem details; what it cannot name is logged and answered 500 without a word about why. */
@Catch()
export class ProblemDetailsFilter implements ExceptionFilter {
  private readonly logger = new Logger('Errors');

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    this.send(error, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>());
  }

  /** Also used for errors that the HTTP server raises before a route is found. */
  send(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const refusal = toDomainError(error);
    if (refusal?.cause !== undefined)
      this.logger.warn({ err: refusal.cause, requestId: request.id, code: refusal.code });
    const body = refusal ? toProblem(refusal, request) : this.frameworkProblem(error, request);
    if (refusal?.retryAfterSeconds !== undefined) void reply.header('retry-after', refusal.retryAfterSeconds);
    if (body.status === 401) void reply.header('www-authenticate', 'Bearer');
    // The server adapter sets it too, but not before a malformed URL is refused.
    void reply.header('x-request-id', request.id);
    void reply
      .status(body.status)
      .header('content-type', 'application/problem+json')
      .send(JSON.stringify(body));
  }

  private frameworkProblem(error: unknown, request: FastifyRequest): ProblemDetails {
    const status = statusOf(error);
    if (status >= 400 && status < 500) {
      return toRequestProblem(status, DETAILS_BY_STATUS[status] ?? (error as Error).message, request);
    }
    this.logger.error({ err: error, requestId: request.id, method: request.method, url: request.url });
    return problem(
      500,
      'internal_error',
      'Something went wrong on our side. The log has it under this request id.',
      request,
    );
  }
}

/** Errors of the database that mean "not now" get their place in the contract; other errors stay what they are. */
function toDomainError(error: unknown): DomainError | undefined {
  if (error instanceof DomainError) return error;
  if (isConnectionLost(error)) return new DatabaseUnavailable();
  const isCancelled = sqlState(error) === '57014'; // statement_timeout
  return isPoolTimeout(error) || isLockTimeout(error) || isCancelled ? new Overloaded() : undefined;
}

function statusOf(error: unknown): number {
  if (error instanceof HttpException) return error.getStatus();
  // Anything can be thrown, null included.
  const statusCode = (error as { statusCode?: unknown } | null | undefined)?.statusCode;
  return typeof statusCode === 'number' ? statusCode : 500;
}
