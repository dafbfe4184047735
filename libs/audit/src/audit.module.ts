import { Module } from '@nestjs/common';

import { AuditController } from './audit.controller.js';
import { Journal } from './journal.js';
import { ListEntityEventsHandler } from './list-entity-events/list-entity-events.query.js';

@Module({
  controllers: [AuditController],
  providers: [Journal, ListEntityEventsHandler],
})
export class AuditModule {}
