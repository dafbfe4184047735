import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { EntityManager } from 'typeorm';

import {
  Answer,
  businessNow,
  type IdempotencyClaim,
  type RequestContext,
  ValidationFailed,
  type WriteCommand,
  WritePath,
} from '@daybook/platform';

import { InsufficientStock } from '../inventory.errors.js';
import { StockAdjusted } from '../inventory.events.js';
import { StockRepository } from '../stock.repository.js';
import type { AdjustStockRequest, StockAdjustmentResponse } from './adjust-stock.dto.js';

/** Changes on hand. @throws {InsufficientStock} when less would be left than is reserved and allocated */
export class AdjustStock extends Command<Answer> implements WriteCommand {
  constructor(
    readonly input: AdjustStockRequest,
    readonly context: RequestContext,
    readonly idempotency?: IdempotencyClaim,
  ) {
    super();
  }
}

interface Level {
  readonly product_id: number;
  readonly warehouse_id: number;
  readonly on_hand: number;
  readonly reserved: number;
  readonly allocated: number;
}

// The level is made on first use; the no-op update locks it and returns it in either case.
const LOCK_LEVEL = `
  INSERT INTO stock_levels AS level (product_id, warehouse_id, on_hand)
  SELECT product.id, warehouse.id, 0 FROM products product, warehouses warehouse
  WHERE product.sku = $1 AND warehouse.code = $2
  ON CONFLICT (product_id, warehouse_id) DO UPDATE SET on_hand = level.on_hand
  RETURNING product_id, warehouse_id, on_hand::float8, reserved::float8, allocated::float8`;

const RECORD = `
  INSERT INTO stock_movements (product_id, warehouse_id, kind, quantity_delta, reason, occurred_at)
  VALUES ($1, $2, $3, $4, $5, $6) RETURNING id`;

@CommandHandler(AdjustStock)
export class AdjustStockHandler implements ICommandHandler<AdjustStock> {
  private readonly commits;

  constructor(
    writePath: WritePath,
    private readonly stock: StockRepository,
  ) {
    this.commits = writePath.single<AdjustStock>('adjust-stock', (command, manager) =>
      this.adjust(command, manager),
    );
  }

  execute(command: AdjustStock): Promise<Answer> {
    return this.commits.submit(command);
  }

  private async adjust({ input, context }: AdjustStock, manager: EntityManager) {
    const { sku, warehouse = 'main', quantityDelta, reason } = input;
    const [level] = (await manager.query(LOCK_LEVEL, [sku, warehouse])) as (Level | undefined)[];
    if (level === undefined) throw await unknownPlace(sku, warehouse, manager);
    const { allocated } = level;
    const onHand = level.on_hand + quantityDelta;
    const reserved = await this.reservedOnceReaped(level, manager);
    const available = onHand - reserved - allocated;
    if (available < 0) {
      throw new InsufficientStock([{ sku, requested: -quantityDelta, available: available - quantityDelta }]);
    }
    const occurredAt = await businessNow(manager);
    const place = [level.product_id, level.warehouse_id];
    await manager.query(
      'UPDATE stock_levels SET on_hand = on_hand + $3 WHERE product_id = $1 AND warehouse_id = $2',
      [...place, quantityDelta],
    );
    const movement = [...place, movementKind(reason), quantityDelta, reason, occurredAt];
    const [{ id }] = (await manager.query(RECORD, movement)) as [{ id: string }];
    const response: StockAdjustmentResponse = {
      id,
      sku,
      warehouse,
      quantityDelta,
      reason,
      onHand,
      reserved,
      allocated,
      available,
      occurredAt: occurredAt.toISOString(),
    };
    const change = { before: { onHand: level.on_hand }, after: { onHand }, reason };
    return {
      answer: Answer.created(response, `/api/v1/products/${sku}/stock`),
      events: [new StockAdjusted(`${sku}@${warehouse}`, null, response.occurredAt, context, change)],
    };
  }

  /** What is reserved once overdue holds have ended: they neither stand in the way nor count in the answer. */
  private async reservedOnceReaped(level: Level, manager: EntityManager): Promise<number> {
    let { reserved } = level;
    for (;;) {
      const freed = await this.stock.reapOverdue([level.product_id], manager, level.warehouse_id);
      if (freed.length === 0) return reserved;
      reserved -= freed.reduce((sum, { quantity }) => sum + quantity, 0);
    }
  }
}

function movementKind(reason: string): 'received' | 'returned' | 'adjusted' {
  return reason === 'received' || reason === 'returned' ? reason : 'adjusted';
}

async function unknownPlace(
  sku: string,
  warehouse: string,
  manager: EntityManager,
): Promise<ValidationFailed> {
  const rows = (await manager.query('SELECT 1 FROM products WHERE sku = $1', [sku])) as unknown[];
  return rows.length === 0
    ? new ValidationFailed([{ path: 'sku', message: `is no known product: ${sku}` }])
    : new ValidationFailed([{ path: 'warehouse', message: `is no known warehouse: ${warehouse}` }]);
}
