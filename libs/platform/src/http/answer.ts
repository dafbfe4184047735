/**
 * A complete HTTP answer: status, JSON text and the headers that belong to it. Writes make it inside their transaction,
 * because an idempotent retry must get the same bytes again.
 */
export class Answer {
  readonly location: string | null;
  readonly etag: string | null;
  readonly isReplay: boolean;

  constructor(
    readonly status: number,
    /** JSON text. */
    readonly body: string,
    headers: { location?: string | null; etag?: string | null; isReplay?: boolean } = {},
  ) {
    this.location = headers.location ?? null;
    this.etag = headers.etag ?? null;
    this.isReplay = headers.isReplay ?? false;
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

  /** The same answer, marked as given before. */
  asReplay(): Answer {
    return new Answer(this.status, this.body, { location: this.location, etag: this.etag, isReplay: true });
  }
}

/** A strong entity tag (RFC 9110) from a version. */
export function etag(version: number): string {
  return `"${version}"`;
}
