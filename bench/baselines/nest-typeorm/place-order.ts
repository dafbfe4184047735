import { createHash, randomUUID } from 'node:crypto';
import {
  BadRequestException,
  ConflictException,
  Injectable,
  NotFoundException,
  UnprocessableEntityException,
} from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { allocate, type Allocation, demandBySku, InsufficientStock } from './allocate.ts';
import {
  IdempotencyKey,
  JournalRow,
  Order,
  OrderAllocation,
  OrderLine,
  Product,
  StockLevel,
} from './entities.ts';
import { OrderNumbers } from './order-numbers.ts';
import type { PlaceOrderDto } from './place-order.dto.ts';

export interface Answer {
  status: number;
  location: string | null;
  etag: string | null;
  body: string;
  replayed: boolean;
}

interface Attempt {
  caller: string;
  key: string;
  fingerprint: string;
  placedAt: Date;
  request: PlaceOrderDto;
}

interface Placed {
  id: string;
  publicId: string;
  customerId: string;
  placedAt: Date;
  request: PlaceOrderDto;
  allocations: Allocation[];
}

const UNIQUE_VIOLATION = '23505';

/** One order, one transaction. */
@Injectable()
export class PlaceOrder {
  constructor(
    private readonly database: DataSource,
    private readonly numbers: OrderNumbers,
  ) {}

  async execute(caller: string, key: string, request: PlaceOrderDto): Promise<Answer> {
    if (key === '') throw new BadRequestException('Idempotency-Key is missing');
    const fingerprint = createHash('sha256').update(JSON.stringify(request)).digest('base64');
    const placedAt = new Date();
    await this.numbers.prepareFor(placedAt);
    try {
      return await this.database.transaction((manager) =>
        this.place(manager, { caller, key, fingerprint, placedAt, request }),
      );
    } catch (error) {
      // The same key committed while this order was being placed: its answer is the answer to this one too.
      if (!isUniqueViolation(error)) throw error;
      const earlier = await findAnswer(this.database.manager, caller, key, fingerprint);
      if (earlier === undefined) throw error;
      return earlier;
    }
  }

  private async place(
    manager: EntityManager,
    { caller, key, fingerprint, placedAt, request }: Attempt,
  ): Promise<Answer> {
    const earlier = await findAnswer(manager, caller, key, fingerprint);
    if (earlier !== undefined) return earlier;

    const levels = await lockStock(manager, request);
    const allocations = await allocateOrRefuse(manager, request, levels);
    await takeStock(manager, allocations);
    // As late as can be, because every other order of the day waits for this one from here to its commit.
    const number = await this.numbers.next(manager, placedAt);
    const order: Placed = { ...number, customerId: caller, placedAt, request, allocations };
    const body = JSON.stringify(toResponse(order));
    await writeOrder(manager, order);
    await writeJournal(manager, order);
    const answer = { status: 201, location: `/api/v1/orders/${order.publicId}`, etag: '"1"', body };
    await manager.insert(IdempotencyKey, { caller, key, fingerprint, ...answer });
    return { ...answer, replayed: false };
  }
}

async function findAnswer(
  manager: EntityManager,
  caller: string,
  key: string,
  fingerprint: string,
): Promise<Answer | undefined> {
  const earlier = await manager.findOneBy(IdempotencyKey, { caller, key });
  if (earlier === null) return undefined;
  if (earlier.fingerprint !== fingerprint) throw new UnprocessableEntityException('idempotency_key_reused');
  return { ...earlier, replayed: true };
}

/** Products, warehouses and stock in one statement; locked in one order, so that nothing deadlocks. */
function lockStock(manager: EntityManager, request: PlaceOrderDto): Promise<StockLevel[]> {
  return manager
    .createQueryBuilder(StockLevel, 'level')
    .innerJoinAndSelect('level.product', 'product', 'product.active')
    .innerJoinAndSelect('level.warehouse', 'warehouse')
    .where('product.sku IN (:...skus)', { skus: [...demandBySku(request.lines).keys()] })
    .orderBy('product.sku')
    .addOrderBy('warehouse.priority')
    .setLock('pessimistic_write', undefined, ['level'])
    .getMany();
}

async function allocateOrRefuse(
  manager: EntityManager,
  request: PlaceOrderDto,
  levels: StockLevel[],
): Promise<Allocation[]> {
  try {
    return allocate(request.lines, levels);
  } catch (error) {
    if (!(error instanceof InsufficientStock)) throw error;
    for (const { sku } of error.shortLines) {
      const known = await manager.existsBy(Product, { sku, active: true });
      if (!known) throw new NotFoundException(`unknown product ${sku}`);
    }
    throw new ConflictException({ code: 'insufficient_stock', lines: error.shortLines });
  }
}

async function writeOrder(manager: EntityManager, order: Placed): Promise<void> {
  const { id, customerId, placedAt, request, allocations } = order;
  await manager.insert(Order, {
    id,
    customerId,
    clientOrderId: request.clientOrderId ?? null,
    status: 'pending',
    priority: request.priority ?? 'normal',
    currency: allocations[0]?.product.currency ?? 'USD',
    totalCents: String(totalCents(order)),
    placedAt,
    updatedAt: placedAt,
    version: 1,
  });
  await manager.insert(
    OrderLine,
    allocations.map(({ product, quantity }, index) => ({
      orderId: id,
      lineNo: index + 1,
      productId: product.id,
      name: product.name,
      quantity,
      unitPriceCents: product.priceCents,
    })),
  );
  await manager.insert(
    OrderAllocation,
    allocations.flatMap(({ parts }, index) =>
      parts.map((part) => ({
        orderId: id,
        lineNo: index + 1,
        warehouseId: part.warehouse.id,
        quantity: part.quantity,
      })),
    ),
  );
}

/** One statement for all levels of the order. Two lines may take from the same level, hence the sum. */
async function takeStock(manager: EntityManager, allocations: Allocation[]): Promise<void> {
  const parts = allocations.flatMap(({ product, parts }) => parts.map((part) => ({ product, ...part })));
  await manager.query(
    `UPDATE stock_levels SET allocated = allocated + taken.quantity
     FROM (SELECT product_id, warehouse_id, sum(quantity) AS quantity
           FROM unnest($1::int[], $2::int[], $3::bigint[]) AS part (product_id, warehouse_id, quantity)
           GROUP BY product_id, warehouse_id) AS taken
     WHERE stock_levels.product_id = taken.product_id AND stock_levels.warehouse_id = taken.warehouse_id`,
    [
      parts.map((part) => part.product.id),
      parts.map((part) => part.warehouse.id),
      parts.map((part) => part.quantity),
    ],
  );
}

async function writeJournal(manager: EntityManager, order: Placed): Promise<void> {
  await manager.insert(JournalRow, {
    occurredAt: order.placedAt,
    actor: order.customerId,
    requestId: randomUUID(),
    type: 'order.placed',
    entityType: 'order',
    entityId: order.publicId,
    version: 1,
    data: {
      after: {
        status: 'pending',
        customerId: order.customerId,
        priority: order.request.priority ?? 'normal',
        currency: order.allocations[0]?.product.currency,
        totalCents: totalCents(order),
        lines: order.allocations.map(({ product, quantity }) => ({
          sku: product.sku,
          quantity,
          unitPriceCents: Number(product.priceCents),
        })),
      },
    },
  });
}

function totalCents({ allocations }: Placed): number {
  return allocations.reduce(
    (total, { product, quantity }) => total + Number(product.priceCents) * quantity,
    0,
  );
}

function toResponse(order: Placed): object {
  const placedAt = order.placedAt.toISOString();
  return {
    id: order.publicId,
    status: 'pending',
    customerId: order.customerId,
    clientOrderId: order.request.clientOrderId ?? null,
    priority: order.request.priority ?? 'normal',
    currency: order.allocations[0]?.product.currency,
    totalCents: totalCents(order),
    lines: order.allocations.map(({ product, quantity, parts }) => ({
      sku: product.sku,
      name: product.name,
      quantity,
      unitPriceCents: Number(product.priceCents),
      lineTotalCents: Number(product.priceCents) * quantity,
      allocations: parts.map((part) => ({ warehouse: part.warehouse.code, quantity: part.quantity })),
    })),
    reservationId: null,
    placedAt,
    updatedAt: placedAt,
    version: 1,
  };
}

function isUniqueViolation(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === UNIQUE_VIOLATION;
}
