/** One invalid field of a request, `path` as a client would write it: `lines[0].quantity`. */
export interface FieldError {
  readonly path: string;
  readonly message: string;
}

/**
 * A refusal with a meaning. Handlers and decisions throw or return these; the problem-details filter alone knows how
 * they look over HTTP. `details` become members of the problem document, so they must be safe to show to a client.
 */
export abstract class DomainError extends Error {
  /** Stable, lower snake case; clients switch on it. */
  abstract readonly code: string;
  /** The HTTP status this refusal has in the public contract. */
  abstract readonly status: number;
  /** Seconds after which a retry makes sense. */
  readonly retryAfterSeconds?: number;

  constructor(
    message: string,
    readonly details: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
    this.name = new.target.name;
  }
}

export class ValidationFailed extends DomainError {
  readonly code = 'validation_failed';
  readonly status = 400;

  constructor(readonly errors: readonly FieldError[]) {
    super(errors.map(({ path, message }) => `${path} ${message}`).join('; '), { errors });
  }
}

export class Unauthenticated extends DomainError {
  readonly code = 'unauthenticated';
  readonly status = 401;
}

export class Forbidden extends DomainError {
  readonly code = 'forbidden';
  readonly status = 403;
}

export class NotFound extends DomainError {
  readonly code = 'not_found';
  readonly status = 404;
}

/** `If-Match` named another version than the stored one. */
export class VersionConflict extends DomainError {
  readonly code = 'version_conflict';
  readonly status = 412;

  constructor(currentVersion: number) {
    super(`The resource is at version ${currentVersion} now.`, { currentVersion });
  }
}

export class PayloadTooLarge extends DomainError {
  readonly code = 'payload_too_large';
  readonly status = 413;

  constructor() {
    super('The body is too large.');
  }
}

export class RateLimited extends DomainError {
  readonly code = 'rate_limited';
  readonly status = 429;

  constructor(override readonly retryAfterSeconds: number) {
    super('Too many requests from this caller.');
  }
}

/** Nothing was done: the queue is full or the wait would be too long. */
export class Overloaded extends DomainError {
  readonly code = 'overloaded';
  readonly status = 503;
  override readonly retryAfterSeconds = 1;

  constructor(message = 'More requests are waiting than can be served in good time. Nothing was done.') {
    super(message);
  }
}

/** Nothing was done: the database cannot be reached. */
export class DatabaseUnavailable extends DomainError {
  readonly code: string = 'database_unavailable';
  readonly status = 503;
  override readonly retryAfterSeconds = 1;

  constructor(message = 'The database cannot be reached. Nothing was done.') {
    super(message);
  }
}

/**
 * The connection broke while the transaction was being committed, and no idempotency key can tell how it ended.
 * The client must look before it tries again.
 */
export class OutcomeUnknown extends DatabaseUnavailable {
  /** @param cause what kept us from finding out, for the log */
  constructor(cause?: unknown) {
    super(
      'The connection to the database broke during the commit: it is unknown whether the change was made.',
    );
    this.cause = cause;
  }
}
