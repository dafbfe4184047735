import { Module } from '@nestjs/common';

import { AuditController } from './audit.controller.js';
import { EventFeed } from './event-feed.js';
import { EventFollowers } from './event-followers.js';
import { EventsController } from './events.controller.js';
import { FollowEventsHandler } from './follow-events/follow-events.query.js';
import { StreamEventsHandler } from './follow-events/stream-events.query.js';
import { JournalBeginning } from './journal-beginning.js';
import { Journal } from './journal.js';
import { ListAuditHandler } from './list-audit/list-audit.query.js';
import { ListEntityEventsHandler } from './list-entity-events/list-entity-events.query.js';

@Module({
  controllers: [AuditController, EventsController],
  providers: [
    Journal,
    JournalBeginning,
    ListAuditHandler,
    ListEntityEventsHandler,
    EventFeed,
    EventFollowers,
    FollowEventsHandler,
    StreamEventsHandler,
  ],
})
export class AuditModule {}
