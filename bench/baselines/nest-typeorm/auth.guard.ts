import { type CanActivate, type ExecutionContext, Injectable, UnauthorizedException } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { jwtVerify } from 'jose';

export type AuthenticatedRequest = FastifyRequest & { caller: string };

const ALGORITHM = { name: 'HMAC', hash: 'SHA-256' };

@Injectable()
export class AuthGuard implements CanActivate {
  // Imported once: given the bytes, jose would import them again for every token.
  readonly #key = crypto.subtle.importKey(
    'raw',
    new TextEncoder().encode(process.env.AUTH_JWT_SECRET),
    ALGORITHM,
    false,
    ['verify'],
  );

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<AuthenticatedRequest>();
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    if (token === undefined) throw new UnauthorizedException();
    try {
      const { payload } = await jwtVerify(token, await this.#key, { algorithms: ['HS256'] });
      const roles = payload.roles;
      if (payload.sub === undefined || !Array.isArray(roles) || !roles.includes('customer')) return false;
      request.caller = payload.sub;
      return true;
    } catch {
      // Whatever is wrong with a token, its bearer is not known.
      throw new UnauthorizedException();
    }
  }
}
