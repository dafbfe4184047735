import type { FastifyReply } from 'fastify';

/** One page of a list and the cursor of the next, null on the last. */
export interface Page<T> {
  readonly data: readonly T[];
  readonly nextCursor: string | null;
}

/**
 * Cuts a page out of `limit + 1` fetched rows: the extra row only tells whether there is a next page.
 * @param cursorAfter makes the cursor that continues behind the given row
 */
export function toPage<T>(rows: readonly T[], limit: number, cursorAfter: (last: T) => string): Page<T> {
  const data = rows.slice(0, limit);
  const last = data.at(-1);
  const hasMore = rows.length > limit && last !== undefined;
  return { data, nextCursor: hasMore ? cursorAfter(last) : null };
}

/** Adds the `Link: <…>; rel="next"` header (RFC 8288) of a page. */
export function linkNextPage<T>(reply: FastifyReply, page: Page<T>): Page<T> {
  if (page.nextCursor !== null) {
    const url = new URL(reply.request.url, 'http://localhost');
    url.searchParams.set('cursor', page.nextCursor);
    void reply.header('link', `<${url.pathname}${url.search}>; rel="next"`);
  }
  return page;
}
