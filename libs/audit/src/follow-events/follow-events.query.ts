import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';

import { EventFollowers } from '../event-followers.js';
import type { JournalEntryResponse } from '../journal-entry.dto.js';
import type { FollowEventsRequest } from './follow-events.dto.js';

/** The next events of the feed, and where to go on. */
export interface EventPage {
  readonly data: readonly JournalEntryResponse[];
  readonly nextAfter: string;
}

/**
 * The events behind a position, and if there are none, those that come in the next seconds.
 * @throws {EventsDetached} {Overloaded}
 */
export class FollowEvents extends Query<EventPage> {
  constructor(
    readonly input: FollowEventsRequest,
    /** Aborted when the client is gone. */
    readonly over: AbortSignal,
  ) {
    super();
  }
}

@QueryHandler(FollowEvents)
export class FollowEventsHandler implements IQueryHandler<FollowEvents> {
  constructor(private readonly followers: EventFollowers) {}

  async execute({ input, over }: FollowEvents): Promise<EventPage> {
    const { after = '0', limit = 50, waitSeconds = 0 } = input;
    if (waitSeconds > 0) this.followers.admit(over);
    const until = performance.now() + waitSeconds * 1_000;
    const wish = { after: BigInt(after), limit, until, over, mayShare: false };
    const data = await this.followers.next(wish);
    return { data, nextAfter: data.at(-1)?.position ?? after };
  }
}
