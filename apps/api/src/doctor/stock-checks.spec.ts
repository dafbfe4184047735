import { type Damage, describeChecks, useBooks } from '../../../../test/support/doctor-books.js';
import { STOCK_CHECKS } from './stock-checks.js';

const books = useBooks();
const { order, reservation } = books;

const DAMAGES: readonly Damage[] = [
  {
    check: 'stock/never-oversold',
    what: 'more allocated than there is, and a negative reservation',
    sql: () => `
      ALTER TABLE stock_levels DROP CONSTRAINT stock_never_oversold, DROP CONSTRAINT stock_levels_reserved_check;
      UPDATE stock_levels SET allocated = 11 WHERE product_id = (SELECT id FROM products WHERE sku = 'CUP');
      UPDATE stock_levels SET reserved = -1 WHERE product_id = (SELECT id FROM products WHERE sku = 'TEA')
        AND on_hand = 2`,
    says: () => [
      'CUP in main: 9 on hand, 0 reserved, 11 allocated',
      'TEA in main: 2 on hand, -1 reserved, 2 allocated',
    ],
  },
  {
    check: 'stock/allocated',
    what: 'a cancelled order whose stock was not given back',
    sql: () => `UPDATE orders SET status = 'cancelled' WHERE id = ${order(4)}`,
    says: () => ['CUP in main: 5 allocated, open orders claim 3'],
  },
  {
    check: 'stock/allocated',
    what: 'a claim on a level that does not exist',
    sql: () => `UPDATE order_allocations SET warehouse_id = (SELECT id FROM warehouses WHERE code = 'north')
                WHERE order_id = ${order(4)}`,
    says: () => [
      'CUP in main: 5 allocated, open orders claim 3',
      'CUP in north: 0 allocated, open orders claim 2',
    ],
  },
  {
    check: 'stock/reserved',
    what: 'stock reserved for nobody, and a hold that was lost',
    sql: () => `
      UPDATE stock_levels SET reserved = 1 WHERE product_id = (SELECT id FROM products WHERE sku = 'CUP');
      DELETE FROM stock_holds WHERE reservation_id = '${reservation('overdue')}'`,
    says: () => [
      'CUP in main: 1 reserved, reservations hold 0',
      'POT in main: 8 reserved, reservations hold 7',
    ],
  },
  {
    check: 'stock/reserved',
    what: 'a hold on a level that does not exist',
    sql: () => `
      UPDATE stock_holds SET product_id = (SELECT id FROM products WHERE sku = 'CUP')
      WHERE reservation_id = '${reservation('open')}' AND quantity = 2`,
    says: () => [
      'CUP in north: 0 reserved, reservations hold 2',
      'POT in north: 2 reserved, reservations hold 0',
    ],
  },
  {
    check: 'stock/on-hand',
    what: 'stock that came from nowhere, and stock that went nowhere',
    sql: () => `UPDATE stock_levels SET on_hand = on_hand + 1 WHERE product_id = (SELECT id FROM products WHERE sku = 'CUP');
                UPDATE stock_movements SET warehouse_id = (SELECT id FROM warehouses WHERE code = 'main')
                WHERE kind = 'received' AND quantity_delta = 20`,
    says: () => [
      'CUP in main: 10 on hand, the movements come to 9',
      'TEA in main: 2 on hand, the movements come to 22',
      'TEA in north: 3 on hand, the movements come to -17',
    ],
  },
];

describeChecks('the checks of stock', books, STOCK_CHECKS, DAMAGES);
