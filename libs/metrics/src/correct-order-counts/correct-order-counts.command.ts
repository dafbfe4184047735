import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { DataSource, type EntityManager } from 'typeorm';

import { inTransaction, numberColumn, textColumn, textsIn } from '@daybook/platform';

import { takeTurns } from '../order-totals.js';

/** How many orders of a month, a priority and a status are missing from the count; negative: how many are too many. */
export interface OrderCountDrift {
  /** `YYYYMM` */
  readonly month: string;
  readonly priority: string;
  readonly status: string;
  readonly delta: number;
}

/**
 * Corrects how many orders there are, while orders are placed and moved, tallies folded and reports made: every change is
 * in the orders and in the tallies at once, so a difference that was seen in one snapshot is still the difference later.
 * @param find looks for differences in one statement; nobody else corrects meanwhile
 */
export class CorrectOrderCounts extends Command<readonly OrderCountDrift[]> {
  constructor(readonly find: (manager: EntityManager) => Promise<readonly OrderCountDrift[]>) {
    super();
  }
}

const TAKE_TURNS_AT_CORRECTING = `SELECT pg_advisory_xact_lock(hashtextextended('order count corrections', 0))`;

const CORRECT = `
  INSERT INTO order_counts (month, priority, status, count)
  SELECT * FROM unnest(${textsIn('$1')}, ${textsIn('$2')}, ${textsIn('$3')}, $4::bigint[])
  ON CONFLICT (month, priority, status) DO UPDATE SET count = order_counts.count + excluded.count`;

@CommandHandler(CorrectOrderCounts)
export class CorrectOrderCountsHandler implements ICommandHandler<CorrectOrderCounts> {
  constructor(@Inject(DataSource) private readonly database: DataSource) {}

  execute({ find }: CorrectOrderCounts): Promise<readonly OrderCountDrift[]> {
    return inTransaction(this.database, async (manager) => {
      await waitForTurn(manager);
      const found = await find(manager);
      // Only now those who fold and report have to wait: to look at all orders may take longer than they would.
      await takeTurns(manager);
      await manager.query('SET LOCAL statement_timeout TO DEFAULT; SET LOCAL lock_timeout TO DEFAULT');
      await manager.query(CORRECT, [
        textColumn(found.map(({ month }) => month)),
        textColumn(found.map(({ priority }) => priority)),
        textColumn(found.map(({ status }) => status)),
        numberColumn(found.map(({ delta }) => delta)),
      ]);
      return found;
    });
  }
}

/** One corrector at a time, from the moment it looks until it has corrected; and as long as another one's looking takes. */
async function waitForTurn(manager: EntityManager): Promise<void> {
  await manager.query('SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0');
  await manager.query(TAKE_TURNS_AT_CORRECTING);
}
