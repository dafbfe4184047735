import { type Damage, describeChecks, useBooks } from '../../../../test/support/doctor-books.js';
import { RESERVATION_CHECKS } from './reservation-checks.js';

const books = useBooks();
const { order, number, reservation } = books;

const DAMAGES: readonly Damage[] = [
  {
    check: 'reservations/lines-add-up',
    what: 'a line that is allocated only in part',
    sql: () => `UPDATE reservations SET lines = jsonb_set(lines, '{0,quantity}', '10')
                WHERE id = '${reservation('open')}'`,
    says: () => [`line 1 of reservation ${reservation('open')}: 10 reserved, 9 allocated`],
  },
  {
    check: 'reservations/holds-belong',
    what: 'a reservation that ended and went on to hold, and a hold for nobody',
    sql: () => `UPDATE reservations SET status = 'released' WHERE id = '${reservation('open')}';
                DELETE FROM reservations WHERE id = '${reservation('overdue')}'`,
    says: () => [
      `reservation ${reservation('overdue')} holds 1 of POT in main: there is no such reservation`,
      `reservation ${reservation('open')} holds 2 of POT in north: it is released`,
      `reservation ${reservation('open')} holds 7 of POT in main: it is released`,
    ],
  },
  {
    check: 'reservations/holds-complete',
    what: 'a reservation that lost a hold before its time, and one that holds less than it should',
    sql: () => `DELETE FROM stock_holds WHERE reservation_id = '${reservation('open')}' AND quantity = 2;
                UPDATE stock_holds SET quantity = quantity - 1 WHERE reservation_id = '${reservation('open')}'`,
    says: () => [
      `reservation ${reservation('open')} holds 0 of POT in north, its lines say 2`,
      `reservation ${reservation('open')} holds 6 of POT in main, its lines say 7`,
    ],
  },
  {
    check: 'reservations/holds-complete',
    what: 'an overdue reservation that holds more than it ever did',
    sql: () => `UPDATE stock_holds SET quantity = 2 WHERE reservation_id = '${reservation('overdue')}';
                INSERT INTO stock_holds SELECT reservation_id, product.id, warehouse_id, 1, expires_at
                FROM stock_holds, products product WHERE reservation_id = '${reservation('overdue')}' AND sku = 'CUP'`,
    says: () => [
      `reservation ${reservation('overdue')} holds 1 of CUP in main, its lines say 0`,
      `reservation ${reservation('overdue')} holds 2 of POT in main, its lines say 1`,
    ],
  },
  {
    check: 'reservations/deadlines',
    what: 'a hold that outlives its reservation',
    sql: () => `UPDATE reservations SET expires_at = '2026-01-02T03:04:05.678Z' WHERE id = '${reservation('open')}';
                UPDATE stock_holds SET expires_at = '2026-01-02T03:04:05.678Z' WHERE quantity = 2;
                UPDATE stock_holds SET expires_at = '2026-01-02T03:04:05.679Z' WHERE quantity = 7`,
    says: () => [
      `reservation ${reservation('open')} ends at 2026-01-02T03:04:05.678Z, what it holds of POT in main at ` +
        '2026-01-02T03:04:05.679Z',
    ],
  },
  {
    check: 'reservations/orders',
    what: 'a reservation and an order that do not know each other',
    sql: () => `UPDATE orders SET reservation_id = '${reservation('open')}' WHERE id = ${order(7)}`,
    says: () => [
      `order ${number(7)} says that it was reservation ${reservation('open')}, which says nothing of it`,
      `reservation ${reservation('consumed')} says that it became order ${number(7)}, which says nothing of it`,
    ],
  },
  {
    check: 'reservations/orders',
    what: 'an order that was lost',
    sql: () => `DELETE FROM orders WHERE id = ${order(7)}`,
    says: () => [
      `reservation ${reservation('consumed')} says that it became order ${number(7)}, which says nothing of it`,
    ],
  },
  {
    check: 'reservations/orders',
    what: 'an order that names a reservation which nobody ever made',
    sql: () => `UPDATE orders SET reservation_id = gen_random_uuid() WHERE id = ${order(6)}`,
    says: () => [
      expect.stringMatching(
        `^order ${number(6)} says that it was reservation [0-9a-f-]{36}, which says nothing of it$`,
      ),
    ],
  },
  {
    check: 'reservations/one-order',
    what: 'a reservation that became two orders',
    sql: () => `UPDATE orders SET reservation_id = '${reservation('consumed')}' WHERE id = ${order(6)}`,
    says: () => [`reservation ${reservation('consumed')} became 2 orders: ${number(6)}, ${number(7)}`],
  },
];

describeChecks('the checks of reservations', books, RESERVATION_CHECKS, DAMAGES);
