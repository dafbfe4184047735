import type { DomainError } from '../errors/domain-error.js';
import { toProblem } from '../errors/problem-details.js';

interface AnswerOptions {
  readonly location?: string | null;
  readonly etag?: string | null;
  readonly isReplay?: boolean;
  readonly isProvisional?: boolean;
}

/**
 * A complete HTTP answer: status, JSON text and the headers that belong to it. Writes make it inside their transaction,
 * because an idempotent retry must get the same bytes again.
 */
export class Answer {
  readonly location: string | null;
  readonly etag: string | null;
  readonly isReplay: boolean;
  /** What is done goes on behind its commit, and the answer may still be replaced, once, by how that ended. */
  readonly isProvisional: boolean;

  constructor(
    readonly status: number,
    /** JSON text. */
    readonly body: string,
    options: AnswerOptions = {},
  ) {
    this.location = options.location ?? null;
    this.etag = options.etag ?? null;
    this.isReplay = options.isReplay ?? false;
    this.isProvisional = options.isProvisional ?? false;
  }

  /** 201 with the new resource, where it lives and, if it has one, its version. */
  static created(resource: object, location: string, version?: number): Answer {
    return new Answer(201, JSON.stringify(resource), {
      location,
      etag: version === undefined ? null : etag(version),
    });
  }

  /** 200 with a resource that has a version. */
  static versioned(resource: object & { version: number }): Answer {
    return new Answer(200, JSON.stringify(resource), { etag: etag(resource.version) });
  }

  /** A refusal that is remembered for the idempotency key, because something was done: it names it in its details. */
  static refused(refusal: DomainError, request: { readonly url: string; readonly id: string }): Answer {
    return new Answer(refusal.status, JSON.stringify(toProblem(refusal, request)));
  }

  /** The same answer, marked as given before. */
  asReplay(): Answer {
    return new Answer(this.status, this.body, { ...this, isReplay: true });
  }
}

/** A strong entity tag (RFC 9110) from a version. */
export function etag(version: number): string {
  return `"${version}"`;
}
