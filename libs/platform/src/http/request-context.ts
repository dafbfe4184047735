import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';

import { ValidationFailed } from '../errors/domain-error.js';
import { type IdempotencyClaim, fingerprint } from '../idempotency/idempotency.js';
import { traceHeaders, type TraceHeaders } from '../tracing/tracing.js';

export const ROLES = ['customer', 'operator', 'admin'] as const;
/** `admin` may do all that `operator` may, and `operator` sees and changes everybody's orders. */
export type Role = (typeof ROLES)[number];

/** Who asks, and under which request id. Every command and query carries one. */
export interface RequestContext {
  /** The token's `sub`; what the journal calls the actor and orders call the customer. */
  readonly actor: string;
  readonly roles: readonly Role[];
  readonly requestId: string;
  /** The request's place in a trace: what it leads to later belongs there. Absent while tracing is off. */
  readonly trace?: TraceHeaders | undefined;
}

/** The context of what Daybook does by itself: demo data, scheduled jobs, workers. */
export function systemContext(requestId: string): RequestContext {
  return { actor: 'daybook', roles: ['admin'], requestId };
}

export function isOperator(context: RequestContext): boolean {
  return context.roles.includes('operator') || context.roles.includes('admin');
}

/** What the authentication guard leaves on the request. */
export interface AuthenticatedRequest extends FastifyRequest {
  caller?: { readonly subject: string; readonly roles: readonly Role[]; readonly expiresAt: number };
}

/** Injects the {@link RequestContext} of an authenticated route. */
export const Context = createParamDecorator((_: unknown, execution: ExecutionContext): RequestContext => {
  const request = execution.switchToHttp().getRequest<AuthenticatedRequest>();
  if (!request.caller) throw new Error('A public route has no caller');
  const { subject: actor, roles } = request.caller;
  return { actor, roles, requestId: request.id, trace: traceHeaders() };
});

/** Injects the request's idempotency claim, undefined without an `Idempotency-Key` header. */
export const Idempotency = createParamDecorator(
  (_: unknown, execution: ExecutionContext): IdempotencyClaim | undefined => {
    const request = execution.switchToHttp().getRequest<AuthenticatedRequest>();
    const header = request.headers['idempotency-key'];
    if (header === undefined) return undefined;
    const key = parseIdempotencyKey(header);
    const [path] = request.url.split('?', 1);
    const route = `${request.method} ${path}`;
    return { caller: request.caller?.subject ?? '', key, fingerprint: fingerprint(route, request.body) };
  },
);

/** 1-255 visible ASCII characters, quoted (RFC 8941 string) or not. */
function parseIdempotencyKey(header: string | string[]): string {
  const text = String(header).trim();
  const key = text.length >= 2 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text;
  if (!/^[\x20-\x7e]{1,255}$/.test(key)) {
    throw new ValidationFailed([
      { path: 'Idempotency-Key', message: 'must be 1 to 255 visible ASCII characters' },
    ]);
  }
  return key;
}

/** Injects the version that `If-Match` demands, undefined without the header or with `*`. */
export const IfMatch = createParamDecorator((_: unknown, execution: ExecutionContext): number | undefined => {
  const header = execution.switchToHttp().getRequest<FastifyRequest>().headers['if-match']?.trim();
  if (header === undefined || header === '*') return undefined;
  const version = /^(?:W\/)?"(\d{1,9})"$/.exec(header)?.[1];
  if (version === undefined) {
    throw new ValidationFailed([{ path: 'If-Match', message: 'must be an entity tag such as "3"' }]);
  }
  return Number(version);
});
