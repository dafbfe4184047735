import { type Damage, describeChecks, useBooks } from '../../../../test/support/doctor-books.js';
import { IDEMPOTENCY_CHECKS, ORDER_CHECKS } from './order-checks.js';

const books = useBooks();
const { order, number } = books;
const withoutConstraint = (table: string, constraint: string, sql: string) =>
  `ALTER TABLE ${table} DROP CONSTRAINT ${constraint}; ${sql}`;

const DAMAGES: readonly Damage[] = [
  {
    check: 'numbers/business-day',
    what: 'an order placed on the day before its number',
    sql: () =>
      `UPDATE orders SET placed_at = date_trunc('day', placed_at) - interval '1 ms' WHERE id = ${order(2)}`,
    says: () => [
      expect.stringMatching(
        `^order ${number(2)} was placed at \\d{4}-\\d\\d-\\d\\dT23:59:59.999Z, on the business day \\d{8} of UTC$`,
      ),
    ],
  },
  {
    check: 'numbers/from-one',
    what: 'an order number zero',
    sql: () => `UPDATE orders SET id = ${order(0)} WHERE id = ${order(2)}`,
    says: () => [`order ${number(0)} has the number 0 within its day`],
  },
  {
    check: 'numbers/unique',
    what: 'two orders with one number',
    sql: () =>
      withoutConstraint(
        'orders',
        'orders_pkey',
        `INSERT INTO orders SELECT * FROM orders WHERE id = ${order(2)}`,
      ),
    says: () => [`2 orders have the number ${number(2)}`],
  },
  {
    check: 'orders/have-lines',
    what: 'an order without lines',
    sql: () => `DELETE FROM order_lines WHERE order_id = ${order(2)}`,
    says: () => [`order ${number(2)} has no lines`],
  },
  {
    check: 'orders/lines-belong',
    what: 'lines without their order',
    sql: () => `DELETE FROM orders WHERE id = ${order(1)}`,
    says: () => [
      `line 1 of order ${number(1)}: there is no such order`,
      `line 2 of order ${number(1)}: there is no such order`,
    ],
  },
  {
    check: 'orders/lines-belong',
    what: 'a line for a product that does not exist',
    sql: () => `UPDATE order_lines SET product_id = 999 WHERE order_id = ${order(2)}`,
    says: () => [`line 1 of order ${number(2)}: there is no product 999`],
  },
  {
    check: 'orders/allocations-belong',
    what: 'an allocation for no line',
    sql: () => `UPDATE order_allocations SET line_no = 7 WHERE order_id = ${order(4)}`,
    says: () => [`allocation for line 7 of order ${number(4)}: there is no such line`],
  },
  {
    check: 'orders/allocations-belong',
    what: 'an allocation from a warehouse that does not exist',
    sql: () => `UPDATE order_allocations SET warehouse_id = 999 WHERE order_id = ${order(4)}`,
    says: () => [`allocation for line 1 of order ${number(4)}: there is no warehouse 999`],
  },
  {
    check: 'orders/allocations-add-up',
    what: 'a line that is allocated only in part, and one not at all',
    sql: () => `UPDATE order_allocations SET quantity = quantity - 1 WHERE order_id = ${order(4)};
                DELETE FROM order_allocations WHERE order_id = ${order(1)} AND line_no = 2`,
    says: () => [
      `line 1 of order ${number(4)}: 2 ordered, 1 allocated`,
      `line 2 of order ${number(1)}: 1 ordered, 0 allocated`,
    ],
  },
  {
    check: 'orders/total',
    what: 'a price that changed after the order',
    sql: () => `UPDATE order_lines SET unit_price_cents = 1000 WHERE order_id = ${order(1)} AND line_no = 1`,
    says: () => [`order ${number(1)} has a total of 3950 cents, its lines come to 3450`],
  },
  {
    check: 'orders/client-order-ids',
    what: "a customer's name for an order that was lost",
    sql: () => 'DELETE FROM client_order_ids',
    says: () => [`order ${number(1)} is called cart-1 by alice, which is not in client_order_ids`],
  },
  {
    check: 'orders/client-order-ids',
    what: "a customer's name that leads to another's order",
    sql: () => `INSERT INTO client_order_ids VALUES ('bob', 'cart-1', ${order(1)})`,
    says: () => [`cart-1 of bob leads to order ${number(1)}, which is not called so`],
  },
  {
    check: 'orders/counted',
    what: 'orders that came, changed and went without being counted',
    sql: () => `
      INSERT INTO orders SELECT id + 100, customer_id, NULL, 'shipped', 'high', currency, 0, NULL, NULL, placed_at,
        updated_at, 1 FROM orders WHERE id = ${order(1)};
      UPDATE orders SET status = 'failed' WHERE id = ${order(2)};
      DELETE FROM orders WHERE id = ${order(3)}`,
    says: () => [
      `orders of ${books.day().slice(0, 6)}, high, shipped: there are 1, 0 are counted`,
      `orders of ${books.day().slice(0, 6)}, normal, cancelled: there are 0, 1 are counted`,
      `orders of ${books.day().slice(0, 6)}, normal, delivered: there are 0, 1 are counted`,
      `orders of ${books.day().slice(0, 6)}, normal, failed: there are 1, 0 are counted`,
    ],
  },
  {
    check: 'idempotency/answers',
    what: 'answers of orders that do not exist: alone, in a bulk, and unreadable',
    sql: () => `DELETE FROM orders WHERE id IN (${order(4)}, ${order(6)});
                UPDATE idempotency_keys SET body = 'torn' WHERE key = 'key-1'`,
    says: () => [
      `key bulk of operator-1 was answered with order ${number(6)}: there is no such order`,
      `key bulk/2 of operator-1 was answered with order ${number(6)}: there is no such order`,
      'key key-1 of alice was answered with order (none): there is no such order',
      `key key-4 of operator-1 was answered with order ${number(4)}: there is no such order`,
    ],
  },
  {
    check: 'idempotency/one-order-per-key',
    what: 'an order that is the answer to two keys',
    sql: () => `INSERT INTO idempotency_keys SELECT 'bob', key, fingerprint, status, location, etag, body
                FROM idempotency_keys WHERE key = 'key-1'`,
    says: () => [`order ${number(1)} was answered to 2 keys: key-1 of alice, key-1 of bob`],
  },
];

describeChecks(
  'the checks of orders and of answers kept for retries',
  books,
  [...ORDER_CHECKS, ...IDEMPOTENCY_CHECKS],
  DAMAGES,
);
