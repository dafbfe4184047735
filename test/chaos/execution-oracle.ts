import { createHash } from 'node:crypto';

import type { ExecutionReport } from '@daybook/exchange';

/** How an order has to end. */
export interface ExpectedOrder {
  readonly status: string;
  readonly cumQuantity: bigint;
  readonly tradedCents: bigint;
  /** Of the executions that count, in the order of their names. */
  readonly execIds: readonly string[];
}

/** What has to come of a stream. */
export interface Expected {
  readonly orders: ReadonlyMap<string, ExpectedOrder>;
  readonly quarantined: ReadonlySet<string>;
  readonly parked: ReadonlySet<string>;
}

interface Account {
  readonly ordered: bigint;
  status: string;
  cumQuantity: bigint;
  tradedCents: bigint;
  readonly execIds: string[];
}

const ORDER_REF = /^X\d{8}-\d{5,}$/;

/**
 * Reads the whole stream once, from its beginning, one report at a time, and keeps books with it as a clerk would.
 * @param ordered quantities of the orders that we know, by their ids
 */
export function keepBooks(
  reports: readonly ExecutionReport[],
  ordered: ReadonlyMap<string, number>,
): Expected {
  const accounts = new Map<string, Account>();
  for (const [id, quantity] of ordered)
    accounts.set(id, {
      ordered: BigInt(quantity),
      status: 'pending',
      cumQuantity: 0n,
      tradedCents: 0n,
      execIds: [],
    });
  const [seen, quarantined, parked] = [new Set<string>(), new Set<string>(), new Set<string>()];
  for (const report of reports) {
    const { execId, orderRef } = report;
    if (seen.has(execId)) continue;
    seen.add(execId);
    const account = accounts.get(orderRef);
    if (account !== undefined) {
      if (book(account, report)) account.execIds.push(execId);
      else quarantined.add(execId);
    } else if (ORDER_REF.test(orderRef)) parked.add(execId);
    else quarantined.add(execId);
  }
  const orders = new Map<string, ExpectedOrder>();
  for (const [id, account] of accounts) orders.set(id, { ...account, execIds: account.execIds.toSorted() });
  return { orders, quarantined, parked };
}

/** @returns false when it cannot be true */
function book(account: Account, { type, quantity = 0, priceCents = 0 }: ExecutionReport): boolean {
  if (account.status === 'filled') return false;
  if (type === 'new') {
    if (account.status === 'pending') account.status = 'created';
    return true;
  }
  if (type !== 'trade') throw new Error(`The books know no ${type}`);
  const cumQuantity = account.cumQuantity + BigInt(quantity);
  if (cumQuantity > account.ordered) return false;
  account.cumQuantity = cumQuantity;
  account.tradedCents += BigInt(quantity) * BigInt(priceCents);
  account.status = cumQuantity === account.ordered ? 'filled' : 'partially_filled';
  return true;
}

/** One short name for many: the same for the same names. */
export function fingerprint(execIds: readonly string[]): string {
  return createHash('md5').update(execIds.join(',')).digest('hex');
}
