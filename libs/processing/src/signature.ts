import { createHmac, timingSafeEqual } from 'node:crypto';

/** Seconds since 1970, when the message was signed. */
export const TIMESTAMP_HEADER = 'x-daybook-timestamp';
/** `v1=` and the HMAC-SHA256 in hexadecimal, of the timestamp, a dot and the body as it was sent. */
export const SIGNATURE_HEADER = 'x-daybook-signature';

/** What was signed longer ago may be a message that somebody caught and sends again. Clocks may be wrong either way. */
const WINDOW_SECONDS = 300;
const TIMESTAMP = /^\d{1,12}$/;
const SIGNATURE = /^v1=([0-9a-f]{64})$/;

type Bytes = string | Uint8Array;

/** The headers that prove a body to come from somebody who knows the secret. */
export function signatureHeaders(body: Bytes, secret: string, nowMs = Date.now()): Record<string, string> {
  const timestamp = String(Math.floor(nowMs / 1000));
  return {
    [TIMESTAMP_HEADER]: timestamp,
    [SIGNATURE_HEADER]: `v1=${digest(timestamp, body, secret).toString('hex')}`,
  };
}

/**
 * - `missing`: one of the two headers is absent, or does not have its form
 * - `outdated`: signed more than five minutes ago, or from now
 * - `wrong`: not with this secret, or not this body
 */
export type SignatureFault = 'missing' | 'outdated' | 'wrong';

/**
 * What is wrong with the signature of a message; undefined if it may be believed.
 * @param headers with names in lower case, as Node gives them
 * @param body the bytes that arrived: parsed and written again they may be others
 */
export function findSignatureFault(
  headers: Readonly<Record<string, unknown>>,
  body: Bytes,
  secret: string,
  nowMs = Date.now(),
): SignatureFault | undefined {
  const timestamp = matchOf(TIMESTAMP, headers[TIMESTAMP_HEADER])?.[0];
  const signature = matchOf(SIGNATURE, headers[SIGNATURE_HEADER])?.[1];
  if (timestamp === undefined || signature === undefined) return 'missing';
  if (Math.abs(nowMs / 1000 - Number(timestamp)) > WINDOW_SECONDS) return 'outdated';
  // The time this takes tells nobody how much of a forged signature is right.
  const isRight = timingSafeEqual(digest(timestamp, body, secret), Buffer.from(signature, 'hex'));
  return isRight ? undefined : 'wrong';
}

function digest(timestamp: string, body: Bytes, secret: string): Buffer {
  return createHmac('sha256', secret).update(`${timestamp}.`).update(body).digest();
}

function matchOf(pattern: RegExp, value: unknown): RegExpExecArray | null {
  return typeof value === 'string' ? pattern.exec(value) : null;
}
