import {
  type CanActivate,
  type ExecutionContext,
  Inject,
  Injectable,
  SetMetadata,
  type Type,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';

import { CONFIG, type DaybookConfig, isLoopback } from '../config/config.js';
import { Forbidden, Unauthenticated } from '../errors/domain-error.js';
import type { AuthenticatedRequest, Role } from '../http/request-context.js';
import { RateLimiter } from './rate-limiter.js';
import { type Caller, TokenVerifier } from './token-verifier.js';

const ACCESS = Symbol('who may call a route');

/** The roles of which one is enough; that nobody is asked; or that nobody on this machine is asked. */
export type Access = readonly Role[] | 'public' | OpenToThisMachine;

interface OpenToThisMachine {
  readonly otherwise: readonly Role[];
}

/** Declares who may call a route. `admin` may call whatever `operator` may. */
export const Roles = (...roles: [Role, ...Role[]]) => SetMetadata(ACCESS, roles);

/** Declares a route that needs no token. */
export const Public = () => SetMetadata(ACCESS, 'public');

/** Declares a route that needs no token while the server listens on loopback only, and else one of these roles. */
export const OpenOnLoopback = (...otherwise: [Role, ...Role[]]) =>
  SetMetadata(ACCESS, { otherwise } satisfies OpenToThisMachine);

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
    @Inject(CONFIG) private readonly config: DaybookConfig,
  ) {}

  canActivate(execution: ExecutionContext): boolean | Promise<boolean> {
    const declared = declaredAccess(this.reflector, execution.getHandler(), execution.getClass());
    if (declared === undefined)
      throw new Error(`${execution.getHandler().name} does not declare who may call it`);
    const access = this.here(declared);
    if (access === 'public') return true;
    const request = execution.switchToHttp().getRequest<AuthenticatedRequest>();
    const caller = this.tokens.verify(bearerToken(request.headers.authorization));
    if (caller instanceof Promise) return caller.then((known) => this.admit(request, known, access));
    return this.admit(request, caller, access);
  }

  /** What a declaration comes to on the host that this server listens on. */
  private here(declared: Access): readonly Role[] | 'public' {
    if (typeof declared === 'string' || !('otherwise' in declared)) return declared;
    return isLoopback(this.config.host) ? 'public' : declared.otherwise;
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
