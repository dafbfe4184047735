import { hash } from 'node:crypto';

import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import { numberColumn, textColumn, textsIn } from '../database/columns.js';
import { violatesUnique } from '../database/database-errors.js';
import { prepared, RetryTransaction } from '../database/transaction.js';
import { DomainError } from '../errors/domain-error.js';
import { Answer } from '../http/answer.js';

/** A client's word that this request is the same as any other with this key. */
export interface IdempotencyClaim {
  readonly caller: string;
  readonly key: string;
  /** Of the request: two requests with one key must be equal. */
  readonly fingerprint: string;
}

export class IdempotencyKeyReused extends DomainError {
  readonly code = 'idempotency_key_reused';
  readonly status = 422;

  constructor() {
    super('This Idempotency-Key was used with another request.');
  }
}

/** Two requests with one key at the same moment, and waiting for the first did not settle the second. */
export class IdempotencyInFlight extends DomainError {
  readonly code = 'idempotency_in_flight';
  readonly status = 409;
  override readonly retryAfterSeconds = 1;

  constructor() {
    super('A request with this Idempotency-Key is being worked on.');
  }
}

interface StoredRow {
  readonly ordinal: number;
  readonly fingerprint: string;
  readonly status: number;
  readonly location: string | null;
  readonly etag: string | null;
  readonly body: string;
  readonly provisional: boolean;
}

const FIND = `
  SELECT claim.ordinal::int, stored.fingerprint, stored.status, stored.location, stored.etag, stored.body, stored.provisional
  FROM unnest(${textsIn('$1')}, ${textsIn('$2')}) WITH ORDINALITY AS claim (caller, key, ordinal)
  JOIN idempotency_keys stored USING (caller, key)`;

// Sorted, so that two transactions storing the same keys wait for each other instead of deadlocking.
const STORE = `
  INSERT INTO idempotency_keys (caller, key, fingerprint, status, location, etag, body, provisional)
  SELECT * FROM unnest(${textsIn('$1')}, ${textsIn('$2')}, ${textsIn('$3')}, $4::smallint[], ${textsIn('$5')},
      ${textsIn('$6')}, ${textsIn('$7')}, $8::boolean[])
    AS answer (caller, key, fingerprint, status, location, etag, body, provisional)
  ORDER BY caller, key`;

const CONCLUDE = `
  WITH answer AS MATERIALIZED (
    SELECT * FROM unnest(${textsIn('$1')}, ${textsIn('$2')}, $3::smallint[], ${textsIn('$4')}, ${textsIn('$5')}, ${textsIn('$6')})
      WITH ORDINALITY AS answer (caller, key, status, location, etag, body, ordinal)),
  locked AS MATERIALIZED (
    SELECT caller, key FROM idempotency_keys JOIN answer USING (caller, key)
    WHERE provisional ORDER BY caller, key FOR UPDATE OF idempotency_keys)
  UPDATE idempotency_keys AS stored SET provisional = false, status = answer.status, location = answer.location,
    etag = answer.etag, body = answer.body
  FROM answer JOIN locked USING (caller, key)
  WHERE stored.caller = answer.caller AND stored.key = answer.key
  RETURNING answer.ordinal::int`;

/** Remembers answers by the caller's key, in the transaction that made what they tell of. */
@Injectable()
export class IdempotencyStore {
  /** The answers already given to these claims, or the refusal of a key reused, at the claims' own positions. */
  async find(
    manager: EntityManager,
    claims: readonly (IdempotencyClaim | undefined)[],
  ): Promise<(Answer | DomainError | undefined)[]> {
    if (claims.every((claim) => claim === undefined)) return claims.map(() => undefined);
    const rows = await prepared<StoredRow>(manager, 'idempotency/find', FIND, [
      textColumn(claims.map((claim) => claim?.caller ?? null)),
      textColumn(claims.map((claim) => claim?.key ?? null)),
    ]);
    const found = new Map(rows.map((row) => [row.ordinal - 1, row]));
    return claims.map((claim, index) => {
      const row = found.get(index);
      if (claim === undefined || row === undefined) return undefined;
      if (row.fingerprint !== claim.fingerprint) return new IdempotencyKeyReused();
      const { status, body, location, etag, provisional: isProvisional } = row;
      return new Answer(status, body, { location, etag, isReplay: true, isProvisional });
    });
  }

  /** @throws {RetryTransaction} when another transaction stored one of the keys first */
  async store(
    manager: EntityManager,
    answers: readonly { readonly claim: IdempotencyClaim; readonly answer: Answer }[],
  ): Promise<void> {
    if (answers.length === 0) return;
    try {
      await prepared(manager, 'idempotency/store', STORE, [
        textColumn(answers.map(({ claim }) => claim.caller)),
        textColumn(answers.map(({ claim }) => claim.key)),
        textColumn(answers.map(({ claim }) => claim.fingerprint)),
        numberColumn(answers.map(({ answer }) => answer.status)),
        textColumn(answers.map(({ answer }) => answer.location)),
        textColumn(answers.map(({ answer }) => answer.etag)),
        textColumn(answers.map(({ answer }) => answer.body)),
        answers.map(({ answer }) => answer.isProvisional),
      ]);
    } catch (error) {
      if (!violatesUnique(error, 'idempotency_keys_pkey')) throw error;
      throw new RetryTransaction('Another process answered this idempotency key first', error);
    }
  }

  /**
   * Replaces provisional answers by final ones. One that is final already, or was forgotten, stays as it is.
   * @returns for each of them, whether it is what the key is answered with from now on
   */
  async conclude(
    manager: EntityManager,
    answers: readonly { readonly claim: IdempotencyClaim; readonly answer: Answer }[],
  ): Promise<boolean[]> {
    if (answers.length === 0) return [];
    const rows = await prepared<{ ordinal: number }>(manager, 'idempotency/conclude', CONCLUDE, [
      textColumn(answers.map(({ claim }) => claim.caller)),
      textColumn(answers.map(({ claim }) => claim.key)),
      numberColumn(answers.map(({ answer }) => answer.status)),
      textColumn(answers.map(({ answer }) => answer.location)),
      textColumn(answers.map(({ answer }) => answer.etag)),
      textColumn(answers.map(({ answer }) => answer.body)),
    ]);
    const concluded = new Set(rows.map(({ ordinal }) => ordinal - 1));
    return answers.map((_, index) => concluded.has(index));
  }
}

/** SHA-256 over the route and the body with its keys sorted: what makes two requests "the same". */
export function fingerprint(route: string, body: unknown): string {
  return hash('sha256', `${route}\n${canonicalJson(body)}`, 'base64');
}

/**
 * JSON with object keys in sorted order, so that a client may serialise the same object differently. A member that is
 * undefined does not exist, as in JSON.
 */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value !== 'object' || value instanceof Date)
    return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join()}]`;
  const object = value as Record<string, unknown>;
  let members = '';
  for (const key of Object.keys(object).sort()) {
    if (object[key] === undefined) continue;
    members += `${members === '' ? '' : ','}${JSON.stringify(key)}:${canonicalJson(object[key])}`;
  }
  return `{${members}}`;
}
