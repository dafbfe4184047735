/** Why the embedded PostgreSQL cannot be had; each has its own advice in the message. */
export type EmbeddedPostgresErrorCode =
  | 'unsupported_platform'
  | 'binaries_missing'
  | 'binaries_unusable'
  | 'no_server_account'
  | 'no_usable_directory'
  | 'data_unreachable'
  | 'data_incomplete'
  | 'data_incompatible'
  | 'initialisation_failed'
  | 'start_failed'
  | 'not_our_server'
  | 'not_durable'
  | 'server_lost';

/** A failure of the embedded server that a newcomer can act upon: the message says what is wrong and what to do. */
export class EmbeddedPostgresError extends Error {
  constructor(
    readonly code: EmbeddedPostgresErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** True for an error of the operating system or of PostgreSQL with one of these codes, such as `ENOENT`. */
export function isSystemError(error: unknown, ...codes: string[]): boolean {
  return codes.includes(String(member(error, 'code')));
}

export function messageOf(error: unknown): string {
  return String(member(error, 'message') ?? error);
}

/** Not `instanceof Error`, which denies the errors that Node makes for code in a context, such as a test. */
function member(error: unknown, name: string): unknown {
  return typeof error === 'object' && error !== null ? (error as Record<string, unknown>)[name] : undefined;
}
