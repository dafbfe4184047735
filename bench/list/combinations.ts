// What people ask the list of orders: every filter alone, the pairs that belong together, in the orders that make sense.
import type { Values } from './values.ts';

export const SORTS = ['newest', 'oldest', 'highest', 'lowest'] as const;
export type Sort = (typeof SORTS)[number];

/** Query parameters; one that may be there several times has several values. */
export type Query = Readonly<Record<string, string | readonly string[]>>;

/** What a person asks for, and in which order. */
export interface Combination {
  readonly name: string;
  /** Whether it leaves so few orders, or finds them so directly, that their number in all must not matter. */
  readonly isSelective: boolean;
  /** The parameters of the n-th request: other values of the same kind. */
  readonly query: (values: Values, n: number) => Query;
}

type Part = (values: Values, n: number) => Query;

const nth = <T>(items: readonly T[], n: number): T => {
  const item = items[n % items.length];
  if (item === undefined) throw new Error('there are no values to ask for');
  return item;
};

const status =
  (...statuses: string[]): Part =>
  () => ({ status: statuses });
const customer =
  (size: keyof Values['customers']): Part =>
  ({ customers }, n) => ({ customerId: nth(customers[size], n) });
const sku =
  (demand: keyof Values['skus']): Part =>
  ({ skus }, n) => ({ sku: nth(skus[demand], n) });
const time =
  (span: keyof Values['times']): Part =>
  ({ times }, n) => {
    const { from, to } = nth(times[span], n);
    return { ...(from && { placedFrom: from }), ...(to && { placedTo: to }) };
  };
const total =
  (range: keyof Values['totals']): Part =>
  ({ totals }, n) => {
    const { min, max } = nth(totals[range], n);
    return { minTotalCents: String(min), ...(max !== undefined && { maxTotalCents: String(max) }) };
  };
const priority: Part = () => ({ priority: 'high' });
const clientOrderId: Part = ({ names }, n) => ({ clientOrderId: nth(names, n).clientOrderId });
const namedOrder: Part = ({ names }, n) => {
  const { customerId, clientOrderId: name } = nth(names, n);
  return { customerId, clientOrderId: name };
};

const all =
  (...parts: Part[]): Part =>
  (values, n) =>
    Object.assign({}, ...parts.map((part) => part(values, n))) as Query;

const byNumber: readonly Sort[] = ['newest', 'oldest'];
const byBoth: readonly Sort[] = ['newest', 'highest'];
const newest: readonly Sort[] = ['newest'];
const highest: readonly Sort[] = ['highest'];
const threeWays: readonly Sort[] = ['newest', 'oldest', 'highest'];

type Row = readonly [name: string, isSelective: boolean, sorts: readonly Sort[], query: Part];

const ROWS: readonly Row[] = [
  ['no filter', false, SORTS, all()],

  ['largest customer', true, SORTS, customer('largest')],
  ['middling customer', true, SORTS, customer('middling')],
  ['small customer', true, byBoth, customer('small')],
  ['largest customer, failed', true, byBoth, all(customer('largest'), status('failed'))],
  ['largest customer, delivered', true, newest, all(customer('largest'), status('delivered'))],
  ['largest customer, high priority', true, newest, all(customer('largest'), priority)],
  ['largest customer, a month', true, byBoth, all(customer('largest'), time('month'))],
  ['largest customer, top 1 % of totals', true, byBoth, all(customer('largest'), total('top'))],
  ['middling customer, cancelled', true, newest, all(customer('middling'), status('cancelled'))],
  ['middling customer, narrow totals', true, newest, all(customer('middling'), total('narrow'))],

  ['pending', true, threeWays, status('pending')],
  ['failed', true, SORTS, status('failed')],
  ['delivered', false, threeWays, status('delivered')],
  ['pending or processing', true, byNumber, status('pending', 'processing')],
  ['failed or cancelled', false, byBoth, status('failed', 'cancelled')],
  ['pending, high priority', true, ['oldest', 'highest'], all(status('pending'), priority)],
  ['failed, high priority', true, newest, all(status('failed'), priority)],
  ['failed, a day', true, newest, all(status('failed'), time('day'))],
  ['delivered, a day', true, byBoth, all(status('delivered'), time('day'))],
  ['shipped, top 1 % of totals', false, byBoth, all(status('shipped'), total('top'))],
  ['high priority', false, threeWays, priority],

  ['a short window', true, byBoth, time('window')],
  ['a day', true, threeWays, time('day')],
  ['a month', false, byBoth, time('month')],
  ['an open start', false, byBoth, time('openStart')],
  ['the last week', false, ['oldest', 'highest'], time('lastWeek')],
  ['a day, high priority', true, newest, all(time('day'), priority)],

  ['popular product', false, SORTS, sku('popular')],
  ['rare product', true, threeWays, sku('rare')],
  ['popular product, failed', false, newest, all(sku('popular'), status('failed'))],
  ['popular product, pending', true, ['oldest'], all(sku('popular'), status('pending'))],
  ['rare product, failed', true, newest, all(sku('rare'), status('failed'))],
  ['popular product, a day', true, newest, all(sku('popular'), time('day'))],
  ['rare product, a month', true, newest, all(sku('rare'), time('month'))],
  ['largest customer, popular product', true, newest, all(customer('largest'), sku('popular'))],
  ['middling customer, popular product', true, newest, all(customer('middling'), sku('popular'))],

  ['client order id', true, newest, clientOrderId],
  ['client order id of a customer', true, newest, namedOrder],

  ['narrow totals', true, byBoth, total('narrow')],
  ['top 1 % of totals', false, SORTS, total('top')],
  ['top 1 % of totals, a month', false, highest, all(total('top'), time('month'))],
  ['top 1 % of totals, high priority', false, byBoth, all(total('top'), priority)],
];

export const COMBINATIONS: readonly Combination[] = ROWS.flatMap(([name, isSelective, sorts, query]) =>
  sorts.map((sort) => ({
    name: `${name}, ${sort}`,
    isSelective,
    query: (values: Values, n: number): Query => ({ ...query(values, n), sort }),
  })),
);
