// Keeps a token in a file, by which Prometheus may read /metrics where Daybook does not listen on loopback only:
//
//   AUTH_JWT_SECRET=… node deploy/keep-metrics-token.mjs /run/daybook/metrics-token
//
// It is an operator's, for no smaller role may read metrics. So it lives for ten minutes only; every minute there is
// a new one, and a machine that has slept has a valid one soon.
import { createHmac } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';

const VALID_SECONDS = 600;
const RENEWED_EVERY_SECONDS = 60;

const [file] = process.argv.slice(2);
const secret = process.env.AUTH_JWT_SECRET;
if (file === undefined || !secret) {
  console.error('Usage: AUTH_JWT_SECRET=… node keep-metrics-token.mjs <file>');
  process.exit(1);
}

const encode = (part) => Buffer.from(JSON.stringify(part)).toString('base64url');

/** A JSON Web Token, signed with HS256 as Daybook demands where AUTH_JWT_SECRET is set. */
function makeToken(now = Math.floor(Date.now() / 1000)) {
  const claims = { sub: 'prometheus', roles: ['operator'], iat: now, exp: now + VALID_SECONDS };
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

/** Put in place as a whole: nobody ever reads half a token, and nobody else reads it at all. */
function renew() {
  writeFileSync(`${file}.new`, makeToken(), { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

renew();
const renewing = setInterval(renew, RENEWED_EVERY_SECONDS * 1000);
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => clearInterval(renewing));
