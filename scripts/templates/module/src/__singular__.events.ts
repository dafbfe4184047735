import { DomainEvent } from '@daybook/platform';

export class __Singular__Created extends DomainEvent {
  readonly type = '__entity-type__.created';
  readonly entityType = '__entity-type__';
}
