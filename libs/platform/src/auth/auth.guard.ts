import { type CanActivate, type ExecutionContext, Injectable, SetMetadata, type Type } from '@nestjs/common';
import { Reflector } from '@nestjs/core';

import { Forbidden, Unauthenticated } from '../errors/domain-error.js';
import type { AuthenticatedRequest, Role } from '../http/request-context.js';
import { RateLimiter } from './rate-limiter.js';
import { type Caller, TokenVerifier } from './token-verifier.js';

const ACCESS = Symbol('who may call a route');

/** The roles of which one is enough, or that nobody is asked. */
export type Access = readonly Role[] | 'public';

/** Declares who may call a route. `admin` may call whatever `operator` may. */
export const Roles = (...roles: [Role, ...Role[]]) => SetMetadata(ACCESS, roles);

/** Declares a route that needs no token. */
export const Public = () => SetMetadata(ACCESS, 'public');

/** What a route declares for itself or by its controller; undefined when neither does. */
export function declaredAccess(
  reflector: Reflector,
  handler: Function,
  controller: Type,
): Access | undefined {
  return reflector.getAllAndOverride<Access | undefined>(ACCESS, [handler, controller]);
}

/** Lets a request through when its route is public, or its token is valid and has one of the route's roles. */
@Injectable()
export class AuthGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly tokens: TokenVerifier,
    private readonly rateLimiter: RateLimiter,
  ) {}

  canActivate(execution: ExecutionContext): boolean | Promise<boolean> {
    const access = declaredAccess(this.reflector, execution.getHandler(), execution.getClass());
    if (access === 'public') return true;
    if (access === undefined)
      throw new Error(`${execution.getHandler().name} does not declare who may call it`);
    const request = execution.switchToHttp().getRequest<AuthenticatedRequest>();
    const caller = this.tokens.verify(bearerToken(request.headers.authorization));
    if (caller instanceof Promise) return caller.then((known) => this.admit(request, known, access));
    return this.admit(request, caller, access);
  }

  private admit(request: AuthenticatedRequest, caller: Caller, access: readonly Role[]): boolean {
    this.rateLimiter.count(caller.subject);
    request.caller = caller;
    if (caller.roles.some((role) => access.includes(role))) return true;
    if (caller.roles.includes('admin') && access.includes('operator')) return true;
    throw new Forbidden(`This needs the role ${access.join(' or ')}.`);
  }
}

function bearerToken(header: string | undefined): string {
  const token = /^Bearer +([\w.~+/-]+=*) *$/i.exec(header ?? '')?.[1];
  if (token === undefined)
    throw new Unauthenticated('A bearer token is needed: Authorization: Bearer <JWT>.');
  return token;
}
