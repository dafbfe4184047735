import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { NumberCounter } from './entities.ts';

const SERIES = 'order';

export interface OrderNumber {
  /** The number as the table keeps it: the day times 10^10, plus the number within the day. */
  id: string;
  publicId: string;
}

/** Where order numbers come from; which one the baseline uses is a setting. */
export abstract class OrderNumbers {
  readonly #openedDays = new Set<number>();

  /**
   * Once a day, and before the order's transaction: inside it, a pool full of orders would wait for a
   * connection that only one of them could give back.
   */
  async prepareFor(placedAt: Date): Promise<void> {
    const day = dayOf(placedAt);
    if (this.#openedDays.has(day)) return;
    await this.openDay(day);
    this.#openedDays.add(day);
  }

  async next(manager: EntityManager, placedAt: Date): Promise<OrderNumber> {
    const day = dayOf(placedAt);
    const number = await this.take(manager, day);
    return {
      id: String(BigInt(day) * 10_000_000_000n + number),
      publicId: `${day}-${String(number).padStart(5, '0')}`,
    };
  }

  protected abstract openDay(day: number): Promise<void>;
  protected abstract take(manager: EntityManager, day: number): Promise<bigint>;
}

/** A counter row a day, locked until the order with the number commits: no gaps, one order at a time. */
@Injectable()
export class CounterRowNumbers extends OrderNumbers {
  constructor(private readonly database: DataSource) {
    super();
  }

  protected async openDay(day: number): Promise<void> {
    const counters = this.database.createQueryBuilder().insert().into(NumberCounter);
    await counters.values({ series: SERIES, day, last: '0' }).orIgnore().execute();
  }

  protected async take(manager: EntityManager, day: number): Promise<bigint> {
    const counter = await manager.findOneOrFail(NumberCounter, {
      where: { series: SERIES, day },
      lock: { mode: 'pessimistic_write' },
    });
    const last = BigInt(counter.last) + 1n;
    await manager.update(NumberCounter, { series: SERIES, day }, { last: String(last) });
    return last;
  }
}

/** A sequence a day: nobody waits for anybody, and an order that is rolled back leaves a gap. */
@Injectable()
export class SequenceNumbers extends OrderNumbers {
  constructor(private readonly database: DataSource) {
    super();
  }

  protected async openDay(day: number): Promise<void> {
    await this.database.query(`CREATE SEQUENCE IF NOT EXISTS order_number_${day}`);
  }

  protected async take(manager: EntityManager, day: number): Promise<bigint> {
    const rows: { number: string }[] = await manager.query(`SELECT nextval('order_number_${day}') AS number`);
    return BigInt(rows[0]?.number ?? 0);
  }
}

function dayOf(placedAt: Date): number {
  return Number(placedAt.toISOString().slice(0, 10).replaceAll('-', ''));
}
