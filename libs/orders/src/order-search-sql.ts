import { storedNumbersBetween } from '@daybook/id-generator';
import { StatementValues } from '@daybook/platform';

import type { OrderFilters, OrderSort } from './order-filters.js';
import { ORDER_COLUMNS } from './order-row.js';

/** SQL and the values of its parameters. */
export interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** The filters, with a product's id in place of its SKU. */
export type ResolvedFilters = Omit<OrderFilters, 'sku'> & { readonly productId: number | null };

/** Where an order stands in a sorted list. */
export interface Place {
  /** The order's number as it is stored. */
  readonly number: string;
  readonly totalCents: number;
}

interface Direction {
  readonly byTotal: boolean;
  readonly descending: boolean;
}

const DIRECTIONS: Readonly<Record<OrderSort, Direction>> = {
  newest: { byTotal: false, descending: true },
  oldest: { byTotal: false, descending: false },
  highest: { byTotal: true, descending: true },
  lowest: { byTotal: true, descending: false },
};

/**
 * Reads the orders behind `after`, at most `limit`. A filter is there only when it is asked for, and its value is a
 * parameter that the planner knows: so it can take the index that has least to read before the page is full.
 */
export function pageStatement(
  filters: ResolvedFilters,
  sort: OrderSort,
  after: Place | null,
  limit: number,
): Statement {
  const direction = DIRECTIONS[sort];
  // Lines of a product lie in the order of their orders' numbers, which is no help with totals.
  const alongLines = filters.productId !== null && !direction.byTotal;
  const values = new StatementValues();
  const end = `ORDER BY ${sortKey(direction)} LIMIT ${values.bind(limit)}`;
  const wanted = [
    ...conditions(filters, values),
    ...numberConditions(filters, alongLines, values),
    ...(after === null ? [] : behind(after, direction, alongLines, values)),
    ...(alongLines ? [`line.product_id = ${values.bind(filters.productId)}`] : withLineOf(filters, values)),
  ];
  const source = alongLines
    ? 'SELECT DISTINCT ON (orders.id) orders.* FROM order_lines line JOIN orders ON orders.id = line.order_id'
    : 'SELECT orders.* FROM orders';
  // An index has the orders of each status in order, but not those of several: a page of each is read and merged.
  const alternatives = isMerged(filters)
    ? filters.statuses.map((status) => [`orders.status = ${values.bind(status)}`])
    : [ofStatuses(filters, values)];
  const pages = alternatives.map((status) => `(${source} ${where([...status, ...wanted])} ${end})`);
  return {
    text: `SELECT ${ORDER_COLUMNS} FROM (${pages.join(' UNION ALL ')}) AS orders ${end}`,
    values: values.bound,
  };
}

/** Counts the orders that fit. */
export function countStatement(filters: ResolvedFilters): Statement {
  const { text, values } = matchStatement(filters);
  return { text: `SELECT count(*)::float8 AS count FROM (${text}) AS orders`, values };
}

/** Asks the planner how many orders it believes to fit; it answers in JSON. */
export function estimateStatement(filters: ResolvedFilters): Statement {
  const { text, values } = matchStatement(filters);
  return { text: `EXPLAIN (FORMAT JSON) ${text}`, values };
}

function matchStatement(filters: ResolvedFilters): Statement {
  const values = new StatementValues();
  const wanted = [
    ...ofStatuses(filters, values),
    ...conditions(filters, values),
    ...numberConditions(filters, false, values),
    ...withLineOf(filters, values),
  ];
  return { text: `SELECT FROM orders ${where(wanted)}`, values: values.bound };
}

function conditions(filters: ResolvedFilters, values: StatementValues): string[] {
  const { clientOrderId } = filters;
  const compared = values.compare([
    ['orders.customer_id =', filters.owner],
    ['orders.customer_id =', filters.customerId],
    ['orders.priority =', filters.priority],
    ['orders.placed_at >=', filters.placedFrom],
    ['orders.placed_at <', filters.placedTo],
    ['orders.total_cents >=', filters.minTotalCents],
    ['orders.total_cents <=', filters.maxTotalCents],
  ]);
  if (clientOrderId === null) return compared;
  const names = `SELECT order_id FROM client_order_ids WHERE client_order_id = ${values.bind(clientOrderId)}`;
  return [...compared, `orders.id IN (${names})`];
}

/** The number names the day, so that a range of times is found in its months alone. */
function numberConditions(
  { placedFrom, placedTo }: ResolvedFilters,
  alongLines: boolean,
  values: StatementValues,
): string[] {
  const { first, end } = storedNumbersBetween(placedFrom, placedTo);
  return numberColumns(alongLines).flatMap((column) =>
    values.compare([
      [`${column} >=`, first],
      [`${column} <`, end],
    ]),
  );
}

function behind(
  after: Place,
  { byTotal, descending }: Direction,
  alongLines: boolean,
  values: StatementValues,
): string[] {
  const beyond = descending ? '<' : '>';
  const number = values.bind(after.number);
  return byTotal
    ? [`(orders.total_cents, orders.id) ${beyond} (${values.bind(after.totalCents)}, ${number})`]
    : numberColumns(alongLines).map((column) => `${column} ${beyond} ${number}`);
}

/** The planner does not conclude from one side of a join which months of the other it can leave out. */
function numberColumns(alongLines: boolean): readonly string[] {
  return alongLines ? ['orders.id', 'line.order_id'] : ['orders.id'];
}

function withLineOf({ productId }: ResolvedFilters, values: StatementValues): string[] {
  if (productId === null) return [];
  const product = values.bind(productId);
  return [
    `EXISTS (SELECT FROM order_lines line WHERE line.order_id = orders.id AND line.product_id = ${product})`,
  ];
}

function ofStatuses({ statuses }: ResolvedFilters, values: StatementValues): string[] {
  const [only, ...others] = statuses;
  if (only === undefined) return [];
  if (others.length === 0) return [`orders.status = ${values.bind(only)}`];
  return [`orders.status = ANY (${values.bind(statuses)}::text[])`];
}

/** Of one customer, of one product or by one name there are few enough to tell their statuses one by one. */
function isMerged({ statuses, owner, customerId, productId, clientOrderId }: ResolvedFilters): boolean {
  return (
    statuses.length > 1 && [owner, customerId, productId, clientOrderId].every((value) => value === null)
  );
}

function sortKey({ byTotal, descending }: Direction): string {
  const direction = descending ? ' DESC' : '';
  return [...(byTotal ? ['orders.total_cents'] : []), 'orders.id'].map((key) => key + direction).join(', ');
}

function where(conditions: readonly string[]): string {
  return conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
}
