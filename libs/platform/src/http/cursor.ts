import { createHmac, hash, timingSafeEqual } from 'node:crypto';

import { ValidationFailed } from '../errors/domain-error.js';
import { canonicalJson } from '../idempotency/idempotency.js';

const TAG_BYTES = 12;
const SCOPE_BYTES = 8;

/** The sort key of a row. */
type Position = readonly (string | number)[];

/**
 * Opaque page cursors: the sort key of the last row, the list they were made for (its filters and sort) and an HMAC, so
 * that a cursor cannot be edited or used with another list. The secret is shared by all replicas.
 */
export class CursorCodec {
  constructor(private readonly secret: string) {}

  /**
   * @param list everything that decides which rows come in which order, such as `{ route, filters, sort }`
   * @param position the sort key of the last row of the page
   */
  encode(list: unknown, position: Position): string {
    return this.encoderFor(list)(position);
  }

  /** For many rows of one list: what their cursors have in common is made once. */
  encoderFor(list: unknown): (position: Position) => string {
    const scope = scopeOf(list);
    return (position) => {
      const payload = Buffer.concat([scope, Buffer.from(JSON.stringify(position))]);
      return Buffer.concat([this.tag(payload), payload]).toString('base64url');
    };
  }

  /** @throws {ValidationFailed} naming `cursor` when it is not one of ours, or was made for another list */
  decode(list: unknown, cursor: string): Position {
    const bytes = Buffer.from(cursor, 'base64url');
    const payload = bytes.subarray(TAG_BYTES);
    const isOurs =
      bytes.length > TAG_BYTES + SCOPE_BYTES &&
      bytes.toString('base64url') === cursor &&
      timingSafeEqual(bytes.subarray(0, TAG_BYTES), this.tag(payload));
    if (!isOurs) throw badCursor('is not a cursor of this server');
    if (!payload.subarray(0, SCOPE_BYTES).equals(scopeOf(list))) {
      throw badCursor('was made for other filters or another sort');
    }
    return JSON.parse(payload.subarray(SCOPE_BYTES).toString()) as Position;
  }

  private tag(payload: Buffer): Buffer {
    return createHmac('sha256', this.secret).update(payload).digest().subarray(0, TAG_BYTES);
  }
}

function scopeOf(list: unknown): Buffer {
  return hash('sha256', canonicalJson(list), 'buffer').subarray(0, SCOPE_BYTES);
}

function badCursor(message: string): ValidationFailed {
  return new ValidationFailed([{ path: 'cursor', message }]);
}
