import { Answer, NotFound, type RequestContext, VersionConflict } from '@daybook/platform';

import { ReservationNotActive } from './inventory.errors.js';
import { changed, type Reservation, type ReservationCommand } from './reservation.js';
import { ReservationReleased } from './reservation.events.js';
import { decideChanges } from './reservation-changes.js';

const NOW = new Date('2026-11-20T12:00:00.000Z');
const MADE = new Date('2026-11-20T11:50:00.000Z');
const DUE = new Date('2026-11-20T12:10:00.000Z');

const reservation = (id: string): Reservation => ({
  id,
  customerId: 'alice',
  status: 'active',
  lines: [],
  expiresAt: DUE,
  orderId: null,
  createdAt: MADE,
  updatedAt: MADE,
  version: 1,
});

/** A command of the given kind: `touch` leaves a reservation active, `end` does not. */
interface TestCommand extends ReservationCommand {
  readonly kind: 'touch' | 'end';
}

const command = (
  reservationId: string,
  more: Partial<TestCommand> & { actor?: string } = {},
): TestCommand => {
  const { actor = 'alice', ...rest } = more;
  const context: RequestContext = { actor, roles: ['customer'], requestId: 'request' };
  return { reservationId, context, kind: 'touch', ...rest };
};

/** What a batch comes to while the reservations `one` and `two` are there. */
function decide(...commands: TestCommand[]) {
  const reservations = new Map(['one', 'two'].map((id) => [id, reservation(id)]));
  const decided = decideChanges(commands, { reservations, now: NOW }, (claimed, now, { kind, context }) => {
    const after = changed(claimed, now, kind === 'end' ? { status: 'released' } : {});
    const event = new ReservationReleased(after.id, after.version, now.toISOString(), context, { after: {} });
    return { reservation: after, event };
  });
  expect([...reservations.values()]).toEqual([reservation('one'), reservation('two')]);
  return decided;
}

const versions = (found: readonly { readonly id: string; readonly version: number }[]) =>
  found.map(({ id, version }) => [id, version]);

describe('a batch of changes', () => {
  it('answers each command in order, and tells what changed at the moment of the locks', () => {
    const { outcomes, changed: written, events } = decide(command('two'), command('one'));
    expect(outcomes).toMatchObject([
      { status: 200, body: expect.stringContaining('"id":"two"'), etag: '"2"' },
      { status: 200, body: expect.stringContaining('"id":"one"'), etag: '"2"' },
    ]);
    expect(written).toEqual(['two', 'one'].map((id) => ({ ...reservation(id), updatedAt: NOW, version: 2 })));
    expect(events.map(({ entityId, version, occurredAt }) => [entityId, version, occurredAt])).toEqual([
      ['two', 2, NOW.toISOString()],
      ['one', 2, NOW.toISOString()],
    ]);
  });

  it('has each find what those before it left, and writes once what was changed twice', () => {
    const {
      outcomes,
      changed: written,
      events,
    } = decide(
      command('one', { expectedVersion: 1 }),
      command('two'),
      command('one', { expectedVersion: 2 }),
      command('one', { expectedVersion: 2 }),
    );
    expect(outcomes.slice(0, 3).every((outcome) => outcome instanceof Answer)).toBe(true);
    expect(outcomes[3]).toEqual(new VersionConflict(3));
    expect(versions(written)).toEqual([
      ['one', 3],
      ['two', 2],
    ]);
    expect(events.map(({ entityId, version }) => [entityId, version])).toEqual([
      ['one', 2],
      ['two', 2],
      ['one', 3],
    ]);
  });

  it('changes nothing any more once one of them has ended the reservation', () => {
    const { outcomes, changed: written, events } = decide(command('one', { kind: 'end' }), command('one'));
    expect(outcomes[1]).toEqual(new ReservationNotActive('one', 'released', null));
    expect(versions(written)).toEqual([['one', 2]]);
    expect(events).toHaveLength(1);
  });

  it('leaves no trace of what is refused', () => {
    const decided = decide(command('none'), command('one', { actor: 'bob' }));
    expect(decided.outcomes.every((outcome) => outcome instanceof NotFound)).toBe(true);
    expect(decided).toMatchObject({ changed: [], events: [] });
  });
});
