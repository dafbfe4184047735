import type { INestApplication } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { DataSource } from 'typeorm';

import {
  AdjustStock,
  CreateProduct,
  CreateWarehouse,
  DuplicateSku,
  DuplicateWarehouse,
} from '@daybook/inventory';
import { systemContext } from '@daybook/platform';

/** SKU, name, price in cents, stock in the main and in the northern warehouse. */
const CATALOGUE: readonly (readonly [string, string, number, number, number])[] = [
  ['TEA-EARL-GREY', 'Earl Grey, 100 g', 1250, 200, 50],
  ['TEA-DARJEELING', 'Darjeeling first flush, 100 g', 1890, 120, 40],
  ['TEA-ASSAM', 'Assam, 100 g', 990, 180, 0],
  ['TEA-SENCHA', 'Sencha, 100 g', 1490, 150, 60],
  ['TEA-MATCHA', 'Matcha, 30 g tin', 2450, 40, 25],
  ['TEA-OOLONG', 'Oolong, 75 g', 1650, 60, 0],
  ['TEA-ROOIBOS', 'Rooibos, 100 g', 790, 300, 100],
  ['TEA-PEPPERMINT', 'Peppermint, 50 g', 590, 250, 80],
  ['TEA-CHAMOMILE', 'Chamomile, 50 g', 590, 210, 80],
  ['COFFEE-ESPRESSO', 'Espresso roast, 250 g', 890, 400, 120],
  ['COFFEE-FILTER', 'Filter roast, 250 g', 890, 380, 120],
  ['COFFEE-DECAF', 'Decaffeinated, 250 g', 990, 90, 0],
  ['COFFEE-ETHIOPIA', 'Single origin Ethiopia, 250 g', 1290, 70, 30],
  ['CUP-PORCELAIN', 'Porcelain cup', 1450, 80, 40],
  ['CUP-GLASS', 'Double-walled glass, set of 2', 1990, 55, 0],
  ['POT-1L', 'Tea pot, 1 litre', 3490, 25, 15],
  ['POT-IRON', 'Cast iron tea pot', 6900, 8, 4],
  ['KETTLE-GOOSENECK', 'Gooseneck kettle', 5900, 12, 0],
  ['STRAINER', 'Tea strainer', 690, 500, 200],
  ['GIFT-BOX', 'Gift box, empty', 350, 1000, 0],
];

const MARK = 'demo_data';

/** True for a catalogue that holds nothing but, perhaps, a part of the demo data: the first start may have been cut short. */
export async function isDemoDataMissing(app: INestApplication): Promise<boolean> {
  const [state] = (await app.get(DataSource).query(
    `SELECT NOT EXISTS (SELECT FROM settings WHERE name = $1)
       AND NOT EXISTS (SELECT FROM products WHERE sku <> ALL ($2::text[])) AS missing`,
    [MARK, CATALOGUE.map(([sku]) => sku)],
  )) as [{ missing: boolean }];
  return state.missing;
}

/**
 * Fills the catalogue, through the same commands that clients use, each with an idempotency key: a second run completes
 * an interrupted one. What is there already by another hand is left as it is.
 */
export async function loadDemoData(app: INestApplication): Promise<void> {
  const commands = app.get(CommandBus);
  const context = systemContext('demo-data');
  const claim = (key: string) => ({
    caller: context.actor,
    key: `demo-data/${key}`,
    fingerprint: 'demo-data',
  });
  const north = { code: 'north', name: 'Northern warehouse', priority: 200 };
  await unlessPresent(commands.execute(new CreateWarehouse(north, context, claim(north.code))));
  await Promise.all(
    CATALOGUE.map(async ([sku, name, priceCents, inMain, inNorth]) => {
      const product = new CreateProduct({ sku, name, priceCents }, context, claim(sku));
      if (!(await unlessPresent(commands.execute(product)))) return;
      for (const [warehouse, quantityDelta] of [
        ['main', inMain],
        ['north', inNorth],
      ] as const) {
        if (quantityDelta === 0) continue;
        const received = { sku, warehouse, quantityDelta, reason: 'received' };
        await commands.execute(new AdjustStock(received, context, claim(`${sku}/${warehouse}`)));
      }
    }),
  );
  await app
    .get(DataSource)
    .query(`INSERT INTO settings VALUES ($1, 'loaded') ON CONFLICT DO NOTHING`, [MARK]);
}

/** False when somebody else has made it. */
async function unlessPresent(creation: Promise<unknown>): Promise<boolean> {
  try {
    await creation;
    return true;
  } catch (error) {
    if (error instanceof DuplicateSku || error instanceof DuplicateWarehouse) return false;
    throw error;
  }
}
