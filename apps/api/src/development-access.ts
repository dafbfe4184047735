import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { SignJWT } from 'jose';

import { Forbidden, isLoopback } from '@daybook/platform';

import { UnreadableSecret } from './start.errors.js';

/** What lets a developer in without any configuration, on loopback only. */
export interface DevelopmentAccess {
  readonly secret: string;
  /** May do everything; valid for 30 days. */
  readonly token: string;
}

/**
 * Makes the secret on first use and keeps it, so that tokens outlive a restart.
 * @param home the folder that also holds the embedded database
 */
export async function openDevelopmentAccess(home: string): Promise<DevelopmentAccess> {
  const secret = await readOrMakeSecret(home);
  return { secret, token: await signToken(secret) };
}

/** A token for the server of this home, for tools on the same machine; undefined when it has made no secret yet. */
export async function developmentToken(home: string): Promise<string | undefined> {
  const secret = await readFile(secretPath(home), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'EACCES') return undefined;
    throw error;
  });
  return secret === undefined ? undefined : signToken(secret);
}

function signToken(secret: string): Promise<string> {
  return new SignJWT({ roles: ['operator', 'admin'] })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject('developer')
    .setIssuedAt()
    .setExpirationTime('30d')
    .sign(new TextEncoder().encode(secret));
}

const secretPath = (home: string) => join(home, 'development-secret');

async function readOrMakeSecret(home: string): Promise<string> {
  const path = secretPath(home);
  await mkdir(home, { recursive: true });
  try {
    // 'wx': of two processes that start together, one makes the secret and both use it.
    await writeFile(path, randomBytes(32).toString('base64url'), { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EACCES') throw error;
    throw new UnreadableSecret(path);
  });
}

/**
 * In development the pages of this server hold a token, so no other site may get at them: not by loading them as its
 * own script or frame, and not by a name of its own that suddenly means 127.0.0.1 (DNS rebinding).
 */
export function admitOnlyThisMachine(app: NestFastifyApplication): void {
  const server = app.getHttpAdapter().getInstance();
  server.addHook('onRequest', (request, reply, done) => {
    if (request.url.startsWith('/docs')) {
      void reply.headers({ 'cross-origin-resource-policy': 'same-origin', 'x-frame-options': 'DENY' });
    }
    if (isLocalName(request.headers.host)) done();
    else done(new Forbidden('Without AUTH_JWT_SECRET or AUTH_JWKS_URL Daybook answers only to localhost.'));
  });
}

function isLocalName(host = ''): boolean {
  const name = URL.parse(`http://${host}`)?.hostname.replace(/^\[|\]$/g, '') ?? '';
  return isLoopback(name) || name.endsWith('.localhost');
}
