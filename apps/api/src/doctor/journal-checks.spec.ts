import { type Damage, describeChecks, useBooks } from '../../../../test/support/doctor-books.js';
import { JOURNAL_CHECKS } from './journal-checks.js';

const books = useBooks();
const { day, order, number, reservation } = books;
const withoutTrigger = (sql: string) => `ALTER TABLE journal DISABLE TRIGGER journal_is_append_only; ${sql}`;
/** The index of the month that the journal's rows of these books are in. */
const withoutIndex = () => `DROP INDEX journal_${day().slice(0, 6)}_by_entity;`;
const entry = (entityType: string, id: string, version: number, from: string, to: string) =>
  `INSERT INTO journal (occurred_at, actor, request_id, type, entity_type, entity_id, version, data) VALUES
   (now(), 'nobody', 'none', '${entityType}.made_up', '${entityType}', '${id}', ${version},
   '{"before":{"status":"${from}"},"after":{"status":"${to}"}}')`;
/** Changes what the journal says. */
const forged = (id: string, version: number, path: string, status: string) =>
  withoutTrigger(`UPDATE journal SET data = jsonb_set(data, '{${path},status}', '"${status}"')
                  WHERE entity_id = '${id}' AND version = ${version}`);

const DAMAGES: readonly Damage[] = [
  {
    check: 'journal/versions',
    what: 'a change without its row',
    sql: () => withoutTrigger(`DELETE FROM journal WHERE entity_id = '${number(2)}' AND version = 3`),
    says: () => [`order ${number(2)} is at version 5 and has 4 rows for 4 versions from 1 to 5`],
  },
  {
    check: 'journal/versions',
    what: 'a change with two rows, and an order without any',
    sql: () =>
      withoutTrigger(`${withoutIndex()} DELETE FROM journal WHERE entity_id = '${number(1)}';
                      ${entry('order', number(3), 2, 'pending', 'cancelled')}`),
    says: () => [
      `order ${number(1)} is at version 1 and has 0 rows for 0 versions from 0 to 0`,
      `order ${number(3)} is at version 2 and has 3 rows for 2 versions from 1 to 2`,
    ],
  },
  {
    check: 'journal/versions',
    what: 'a reservation whose end was not written down, and one without any row',
    sql: () =>
      withoutTrigger(`DELETE FROM journal WHERE entity_id = '${reservation('released')}' AND version = 2;
                      DELETE FROM journal WHERE entity_id = '${reservation('open')}'`),
    says: () => [
      `reservation ${reservation('released')} is at version 2 and has 1 rows for 1 versions from 1 to 1`,
      `reservation ${reservation('open')} is at version 1 and has 0 rows for 0 versions from 0 to 0`,
    ],
  },
  {
    check: 'journal/last-status',
    what: 'a status that the journal does not know of',
    sql: () => `UPDATE orders SET status = 'shipped' WHERE id = ${order(2)}`,
    says: () => [`order ${number(2)} is shipped, its journal ends with delivered`],
  },
  {
    check: 'journal/last-status',
    what: 'a reservation that came back',
    sql: () => `UPDATE reservations SET status = 'active' WHERE id = '${reservation('expired')}'`,
    says: () => [`reservation ${reservation('expired')} is active, its journal ends with expired`],
  },
  {
    check: 'journal/edges',
    what: 'a move that is no edge of the state machine',
    sql: () => forged(number(3), 2, 'after', 'shipped'),
    says: () => [`version 2 of order ${number(3)} goes from pending to shipped`],
  },
  {
    check: 'journal/edges',
    what: 'a move that does not continue the one before',
    sql: () => forged(number(3), 2, 'before', 'confirmed'),
    says: () => [`version 2 of order ${number(3)} starts from confirmed, the one before ended as pending`],
  },
  {
    check: 'journal/edges',
    what: 'an order that began in the middle',
    sql: () => forged(number(1), 1, 'after', 'confirmed'),
    says: () => [`order ${number(1)} begins with order.placed as confirmed`],
  },
  {
    check: 'journal/edges',
    what: 'a reservation that ended twice',
    sql: () => `${entry('reservation', reservation('released'), 3, 'released', 'expired')}`,
    says: () => [`version 3 of reservation ${reservation('released')} goes from released to expired`],
  },
  {
    check: 'journal/edges',
    what: 'a reservation that was extended after its end',
    sql: () =>
      withoutTrigger(`${withoutIndex()} UPDATE journal SET version = 5 - version WHERE entity_id = '${reservation('consumed')}'
                      AND version > 1`),
    says: () => [
      `version 3 of reservation ${reservation('consumed')} starts from active, the one before ended as consumed`,
    ],
  },
  {
    check: 'journal/edges',
    what: 'a reservation that began as something else',
    sql: () => forged(reservation('open'), 1, 'after', 'consumed'),
    says: () => [`reservation ${reservation('open')} begins with reservation.created as consumed`],
  },
  {
    check: 'journal/entities-exist',
    what: 'rows of a placement that was rolled back, and a row before its time',
    sql: () =>
      `${entry('order', number(77), 1, '', 'pending')}; ${entry('order', number(1), 2, 'pending', 'cancelled')}`,
    says: () => [
      expect.stringMatching(`^row \\d+ \\(order.made_up\\): there is no order ${number(77)}$`),
      expect.stringMatching(
        `^row \\d+ \\(order.made_up\\) is for version 2 of order ${number(1)}, which is at 1$`,
      ),
    ],
  },
  {
    check: 'journal/entities-exist',
    what: 'a reservation that was lost before its end',
    sql: () => `DELETE FROM reservations WHERE id = '${reservation('open')}'`,
    says: () => [
      expect.stringMatching(
        `^row \\d+ \\(reservation.created\\): there is no reservation ${reservation('open')}$`,
      ),
    ],
  },
];

describeChecks('the checks of the journal', books, JOURNAL_CHECKS, DAMAGES);
