import { Inject, Injectable } from '@nestjs/common';
import { createRemoteJWKSet, errors, type JWTPayload, jwtVerify, type JWTVerifyGetKey } from 'jose';
import { LRUCache } from 'lru-cache';

import { type AuthConfig, CONFIG, type DaybookConfig } from '../config/config.js';
import { Overloaded, Unauthenticated } from '../errors/domain-error.js';
import { ROLES, type Role } from '../http/request-context.js';

/** Who a valid token speaks for. */
export interface Caller {
  readonly subject: string;
  readonly roles: readonly Role[];
  /** When the token expires, in milliseconds since 1970; Infinity if it never does. */
  readonly expiresAt: number;
}

const SYMMETRIC = ['HS256'];
const ASYMMETRIC = ['RS256', 'ES256', 'EdDSA'];
const CACHED_TOKENS = 10_000;
const CLOCK_TOLERANCE_SECONDS = 5;
// A token without `exp` is checked again at least this often, for the sake of a JWKS whose keys were withdrawn.
const MAXIMUM_CACHE_MS = 300_000;

/** Verifies bearer tokens (RFC 7519) and remembers verified ones until they expire. Algorithms are pinned. */
@Injectable()
export class TokenVerifier {
  private readonly verified = new LRUCache<string, Caller>({ max: CACHED_TOKENS, ttl: MAXIMUM_CACHE_MS });
  private readonly check: (token: string) => Promise<JWTPayload>;

  constructor(@Inject(CONFIG) config: DaybookConfig) {
    this.check = makeCheck(config.auth);
  }

  /** Answers at once for a token seen before, so that the hot path does not wait a turn of the event loop. */
  verify(token: string): Caller | Promise<Caller> {
    return this.verified.get(token) ?? this.verifyNew(token);
  }

  private async verifyNew(token: string): Promise<Caller> {
    const payload = await this.check(token).catch(refuse);
    const caller = toCaller(payload);
    const leftMs = caller.expiresAt - Date.now();
    if (leftMs > 0) this.verified.set(token, caller, { ttl: Math.min(leftMs, MAXIMUM_CACHE_MS) });
    return caller;
  }
}

function makeCheck(auth: AuthConfig): (token: string) => Promise<JWTPayload> {
  const claims = {
    ...(auth.issuer !== undefined && { issuer: auth.issuer }),
    ...(auth.audience !== undefined && { audience: auth.audience }),
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
  };
  if (auth.jwksUrl !== undefined) {
    const keys = createRemoteJWKSet(new URL(auth.jwksUrl));
    const findKey: JWTVerifyGetKey = (header, token) => keys(header, token).catch(blameKeyServer);
    return async (token) => (await jwtVerify(token, findKey, { ...claims, algorithms: ASYMMETRIC })).payload;
  }
  if (auth.jwtSecret === undefined)
    throw new Error('Without AUTH_JWT_SECRET or AUTH_JWKS_URL nobody can be let in');
  const secret = new TextEncoder().encode(auth.jwtSecret);
  return async (token) => (await jwtVerify(token, secret, { ...claims, algorithms: SYMMETRIC })).payload;
}

/** A key that the server does not know is the token's fault; not to get its keys, or not to understand them, is not. */
function blameKeyServer(error: unknown): never {
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys)
    throw error;
  const refusal = new Overloaded('The server of the token keys cannot be reached.');
  refusal.cause = error;
  throw refusal;
}

function refuse(error: unknown): never {
  if (error instanceof errors.JWTExpired) throw new Unauthenticated('The token has expired.');
  if (error instanceof errors.JOSEError) throw new Unauthenticated('The token is not valid here.');
  throw error;
}

function toCaller({ sub, roles, exp }: JWTPayload): Caller {
  if (
    typeof sub !== 'string' ||
    sub === '' ||
    sub.length > 255 ||
    /\p{Cc}/u.test(sub) ||
    !sub.isWellFormed()
  ) {
    throw new Unauthenticated('The token has no usable subject (sub).');
  }
  const claimed: unknown[] = Array.isArray(roles) ? roles : [];
  const expiresAt = exp === undefined ? Infinity : exp * 1000;
  return { subject: sub, roles: ROLES.filter((role) => claimed.includes(role)), expiresAt };
}
