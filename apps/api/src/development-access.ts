import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { SignJWT } from 'jose';

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
  const token = await new SignJWT({ roles: ['operator', 'admin'] })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject('developer')
    .setIssuedAt()
    .setExpirationTime('30d')
    .sign(new TextEncoder().encode(secret));
  return { secret, token };
}

async function readOrMakeSecret(home: string): Promise<string> {
  const path = join(home, 'development-secret');
  await mkdir(home, { recursive: true });
  try {
    // 'wx': of two processes that start together, one makes the secret and both use it.
    await writeFile(path, randomBytes(32).toString('base64url'), { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return readFile(path, 'utf8');
}
