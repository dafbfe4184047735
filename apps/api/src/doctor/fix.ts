import { randomUUID } from 'node:crypto';

import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { CommandBus } from '@nestjs/cqrs';
import type { EntityManager } from 'typeorm';

import { CorrectStock, type StockCorrection } from '@daybook/inventory';
import { CorrectOrderCounts } from '@daybook/metrics';
import { type DaybookConfig, systemContext } from '@daybook/platform';
import { CorrectQueues, ORDERS_QUEUE } from '@daybook/processing';

import { AppModule } from '../app.module.js';
import { findOrderCountDrift } from './order-counts.js';
import { findQueueDrift } from './queue-checks.js';
import { findStockDrift, type FoundDrift } from './stock-drift.js';

const LEVELS_AT_ONCE = 200;
const ORDERS_AT_ONCE = 500;

/** What was corrected, and what was left to a person; a line each. */
export interface Fixed {
  readonly corrected: readonly string[];
  readonly left: readonly string[];
}

export const NOTHING_FIXED: Fixed = { corrected: [], left: [] };

/** Corrects what can be corrected safely, in a database that may be in use. */
export async function fix(config: DaybookConfig, databaseUrl: string): Promise<Fixed> {
  const app = await openModules(config, databaseUrl);
  try {
    const fixed = [await fixStock(app), await fixCounts(app), await fixQueues(app)];
    return {
      corrected: fixed.flatMap(({ corrected }) => corrected),
      left: fixed.flatMap(({ left }) => left),
    };
  } finally {
    await app.close();
  }
}

/** As {@link fix}, with the modules of an application that runs already. */
export async function fixStock(app: INestApplicationContext): Promise<Fixed> {
  const commands = app.get(CommandBus);
  const context = systemContext(`doctor/${randomUUID()}`);
  const fixed = { corrected: [] as string[], left: [] as string[] };
  let last: Pick<FoundDrift, 'productId' | 'warehouseId'> = { productId: 0, warehouseId: 0 };
  for (;;) {
    let found: readonly FoundDrift[] = [];
    const find = async (manager: EntityManager) =>
      (found = await findStockDrift(last, LEVELS_AT_ONCE, manager));
    const { corrections, left } = await commands.execute(new CorrectStock(find, context));
    fixed.corrected.push(...corrections.map(inWords));
    fixed.left.push(...left.map(({ drift, reason }) => `${(drift as FoundDrift).place}: ${reason}`));
    if (found.length < LEVELS_AT_ONCE) return fixed;
    last = found.at(-1) as FoundDrift;
  }
}

/** Corrects how many orders the figures count; as {@link fixStock}. */
export async function fixCounts(app: INestApplicationContext): Promise<Fixed> {
  const found = await app.get(CommandBus).execute(new CorrectOrderCounts(findOrderCountDrift));
  const corrected = found.map(
    ({ month, priority, status, delta }) =>
      `figures: orders of ${month}, ${priority}, ${status}: ${delta > 0 ? '+' : ''}${delta}`,
  );
  return { corrected, left: [] };
}

/** Gives pending orders their jobs, and removes those that no order stands behind; as {@link fixStock}. */
export async function fixQueues(app: INestApplicationContext): Promise<Fixed> {
  const commands = app.get(CommandBus);
  const corrected: string[] = [];
  for (let last = '0'; ;) {
    let found: readonly string[] = [];
    const find = async (manager: EntityManager) =>
      (found = await findQueueDrift(last, ORDERS_AT_ONCE, manager));
    const { enqueued, removed } = await commands.execute(new CorrectQueues(find));
    corrected.push(
      ...removed.map(({ orderId, queue }) => `order ${orderId}: removed from ${queue}`),
      ...enqueued.map((orderId) => `order ${orderId}: put into ${ORDERS_QUEUE}`),
    );
    if (found.length < ORDERS_AT_ONCE) return { corrected, left: [] };
    last = found.at(-1) as string;
  }
}

function inWords({ level, reserved, allocated, movedDelta, endedHolds }: StockCorrection): string {
  const { sku, warehouse, onHand } = level;
  const changes = [
    level.reserved !== reserved && `reserved ${level.reserved} -> ${reserved}`,
    level.allocated !== allocated && `allocated ${level.allocated} -> ${allocated}`,
    movedDelta !== 0 && `movements ${onHand - movedDelta} -> ${onHand}`,
    ...endedHolds.map(
      ({ reservationId, quantity }) => `ended the hold of reservation ${reservationId} on ${quantity}`,
    ),
  ].filter((change) => change !== false);
  return `${sku} in ${warehouse}: ${changes.join(', ')}`;
}

/** The modules without anything that serves, or works by itself: no role, and a secret that nobody knows. */
function openModules(config: DaybookConfig, databaseUrl: string): Promise<INestApplicationContext> {
  const auth = { ...config.auth, jwtSecret: randomUUID() };
  const module = AppModule.forRoot({ ...config, databaseUrl, auth, roles: [], databasePoolSize: 2 });
  return NestFactory.createApplicationContext(module, { logger: ['error', 'fatal'], abortOnError: false });
}
