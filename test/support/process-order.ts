import { type AttemptOutcome, OrderMoves, type OrderStatus } from '@daybook/orders';
import { DomainError, systemContext, WritePath } from '@daybook/platform';
import type { INestApplicationContext } from '@nestjs/common';

interface End {
  readonly outcome: AttemptOutcome;
  readonly durationMs: number;
  readonly to: OrderStatus;
}

/** An attempt to process a pending order, which ends like this; without an end it is under way. */
export async function processOrder(app: INestApplicationContext, orderId: string, end?: End): Promise<void> {
  const attempt = { number: 1 };
  await move(app, { orderId, to: 'processing', attempt });
  if (end === undefined) return;
  const { to, outcome, durationMs } = end;
  await move(app, { orderId, to, attempt: { ...attempt, outcome, durationMs } });
}

/** What becomes of the order's job with a move, as the queue itself would have it. */
const JOB_CHANGES: Partial<Record<OrderStatus, string>> = {
  processing: `UPDATE pgboss.job SET state = 'active'`,
  pending: `UPDATE pgboss.job SET state = 'retry'`,
  confirmed: 'DELETE FROM pgboss.job',
  failed: `UPDATE pgboss.job SET name = 'orders-dead', state = 'created', priority = 0`,
};

type Move = Omit<Parameters<OrderMoves['apply']>[0][number], 'context'>;

function move(app: INestApplicationContext, wanted: Move): Promise<void> {
  const context = systemContext('worker');
  return app.get(WritePath, { strict: false }).change(async (manager) => {
    const { outcomes, events, underWay } = await app
      .get(OrderMoves, { strict: false })
      .apply([{ ...wanted, context }], manager);
    const [moved] = outcomes;
    if (moved instanceof DomainError) throw moved;
    const change = JOB_CHANGES[wanted.to] as string;
    await manager.query(`${change} WHERE name = 'orders' AND data ->> 'orderId' = $1`, [wanted.orderId]);
    return { result: undefined, events, underWay };
  });
}
