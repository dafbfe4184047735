import { Readable } from 'node:stream';

import { Logger } from '@nestjs/common';
import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';

import { Readiness, type RequestLife } from '@daybook/platform';

import { EventFollowers } from '../event-followers.js';
import type { JournalEntryResponse } from '../journal-entry.dto.js';

const HEARTBEAT_MS = 15_000;
const RETRY_MS = 1_000;
// A page is all that a client who reads slowly keeps in memory.
const PAGE = 100;

/**
 * The events behind a position and all that follow, as Server-Sent Events; until the client is gone, its token expires or
 * the server stops. What is wrong from the beginning is thrown; an error later ends the stream, and the client comes again.
 * @throws {EventsDetached} {Overloaded}
 */
export class StreamEvents extends Query<Readable> {
  constructor(
    readonly after: string,
    readonly life: RequestLife,
    readonly requestId: string,
    readonly heartbeatMs = HEARTBEAT_MS,
  ) {
    super();
  }
}

@QueryHandler(StreamEvents)
export class StreamEventsHandler implements IQueryHandler<StreamEvents> {
  private readonly logger = new Logger('EventStream');

  constructor(
    private readonly followers: EventFollowers,
    private readonly readiness: Readiness,
  ) {}

  async execute(query: StreamEvents): Promise<Readable> {
    const { over } = query.life;
    this.followers.admit(over);
    const after = BigInt(query.after);
    const first = await this.followers.next({ after, limit: PAGE, until: 0, over, mayShare: false });
    return Readable.from(this.write(query, first), { objectMode: false });
  }

  /** Asked for more only when the client has taken what there was. */
  private async *write(query: StreamEvents, first: readonly JournalEntryResponse[]): AsyncGenerator<string> {
    yield `retry: ${RETRY_MS}\n\n`;
    try {
      yield* this.follow(query, first);
    } catch (error) {
      this.logger.warn({ err: error, requestId: query.requestId }, 'A stream of events broke off');
    }
  }

  private async *follow(
    { after, life: { over, tokenExpiresAt }, heartbeatMs }: StreamEvents,
    first: readonly JournalEntryResponse[],
  ): AsyncGenerator<string> {
    let last = BigInt(after);
    for (let events = first; ;) {
      if (events.length > 0) yield events.map(toMessage).join('');
      last = BigInt(events.at(-1)?.position ?? last);
      const leftMs = tokenExpiresAt - Date.now();
      if (over.aborted || this.readiness.isStopping || leftMs <= 0) return;
      const until = performance.now() + Math.min(heartbeatMs, leftMs);
      events = await this.followers.next({ after: last, limit: PAGE, until, over, mayShare: true });
      // A comment: proxies close connections on which nothing is said, and a client that is gone is noticed.
      if (events.length === 0) yield ':\n\n';
    }
  }
}

/** JSON has no line feeds of its own. */
function toMessage(event: JournalEntryResponse): string {
  return `id: ${event.position}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}
