import type { Client } from 'pg';

/** How a transaction comes by the numbers of its orders. */
export interface NumberingStrategy {
  id: string;
  label: string;
  /** Orders that one transaction places at most. */
  ordersPerTransaction: number;
  /** Transactions that may be open at once, each on a connection of its own. */
  transactionsAtOnce: number;
  /** A fresh taker a run, because some keep numbers in memory. It takes them within the open transaction. */
  open(context: StrategyContext): NumberTaker;
}

export interface StrategyContext {
  /** A connection outside the orders' transactions, one for each simulated process. */
  besides: Client[];
}

export type NumberTaker = (client: Client, worker: number, count: number) => Promise<number[]>;

/** The scratch tables. No unique constraint, on purpose: a number given out twice shall be seen. */
export const SCHEMA = `
  DROP TABLE IF EXISTS placed, counter;
  DROP SEQUENCE IF EXISTS day_sequence;
  CREATE TABLE placed (number bigint NOT NULL, placed_at timestamptz NOT NULL DEFAULT now());
  CREATE INDEX placed_by_number ON placed (number);
  CREATE TABLE counter (last bigint NOT NULL);
  INSERT INTO counter VALUES (0);
  INSERT INTO placed (number) VALUES (0);
  CREATE SEQUENCE day_sequence`;

export const CALLERS = 64;
export const PROCESSES = 4;
const BLOCK = 100;
const BATCH = 64;
const BATCHES_AT_ONCE = 2;
/** The pool of a service that takes one transaction an order; more only get in each other's way. */
const POOL = 16;

const oneByOne = { ordersPerTransaction: 1, transactionsAtOnce: POOL };
const batched = { ordersPerTransaction: BATCH, transactionsAtOnce: BATCHES_AT_ONCE };

export const STRATEGIES: NumberingStrategy[] = [
  { id: 'batched-sequence', label: 'sequence, batched', ...batched, open: () => takeFromSequence },
  { id: 'batched-gapless', label: 'gapless counter row, batched', ...batched, open: () => takeFromCounter },
  { id: 'sequence', label: 'sequence', ...oneByOne, open: () => takeFromSequence },
  { id: 'blocks', label: `blocks of ${BLOCK} a process`, ...oneByOne, open: takeFromBlocks },
  { id: 'gapless', label: 'gapless counter row', ...oneByOne, open: () => takeFromCounter },
  { id: 'table-lock', label: 'table lock, highest + 1', ...oneByOne, open: () => takeUnderTableLock },
  { id: 'last-row', label: 'last row FOR UPDATE, + 1', ...oneByOne, open: () => takeAfterLastRow },
];

async function takeFromSequence(client: Client, _worker: number, count: number): Promise<number[]> {
  const { rows } = await client.query<{ number: number }>({
    name: 'take-from-sequence',
    text: `SELECT nextval('day_sequence')::float8 AS number FROM generate_series(1, $1::int)`,
    values: [count],
  });
  return rows.map(({ number }) => number);
}

/** The row stays locked until the transaction ends: nobody else gets a number meanwhile, and none is lost. */
async function takeFromCounter(client: Client, _worker: number, count: number): Promise<number[]> {
  return range(await advanceCounter(client, count), count);
}

/** Locks everybody else out of the table, as advice on the net often has it. */
async function takeUnderTableLock(client: Client, _worker: number, count: number): Promise<number[]> {
  await client.query('LOCK TABLE placed IN EXCLUSIVE MODE');
  const { rows } = await client.query<{ last: number }>({
    name: 'highest',
    text: 'SELECT max(number)::float8 AS last FROM placed',
  });
  return range((rows[0]?.last ?? 0) + count, count);
}

/**
 * Seen as often, and wrong: whoever waited for the lock gets the row that was the last when it began to wait,
 * and takes the number that the one before it has just used.
 */
async function takeAfterLastRow(client: Client, _worker: number, count: number): Promise<number[]> {
  const { rows } = await client.query<{ last: number }>({
    name: 'last-row',
    text: 'SELECT number::float8 AS last FROM placed ORDER BY number DESC LIMIT 1 FOR UPDATE',
  });
  return range((rows[0]?.last ?? 0) + count, count);
}

/** Each process fetches a block ahead and hands it out from memory; what it holds when it ends is lost. */
function takeFromBlocks({ besides }: StrategyContext): NumberTaker {
  const processes = besides.map((client) => new BlockHolder(client));
  return (_client, worker) => {
    const holder = processes[worker % processes.length];
    if (holder === undefined) throw new Error('there is no process to take a number from');
    return holder.take().then((number) => [number]);
  };
}

class BlockHolder {
  readonly #client: Client;
  #left: number[] = [];
  #fetching: Promise<void> | undefined;

  constructor(client: Client) {
    this.#client = client;
  }

  async take(): Promise<number> {
    for (;;) {
      const number = this.#left.shift();
      if (number !== undefined) return number;
      this.#fetching ??= this.#fetch();
      await this.#fetching;
    }
  }

  async #fetch(): Promise<void> {
    this.#left = range(await advanceCounter(this.#client, BLOCK), BLOCK);
    this.#fetching = undefined;
  }
}

async function advanceCounter(client: Client, count: number): Promise<number> {
  const { rows } = await client.query<{ last: number }>({
    name: 'advance-counter',
    text: 'UPDATE counter SET last = last + $1::int RETURNING last::float8',
    values: [count],
  });
  return rows[0]?.last ?? NaN;
}

function range(last: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => last - count + 1 + index);
}
