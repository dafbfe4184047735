import type { INestApplication } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';

import { AdjustStock, CreateProduct, CreateWarehouse } from '@daybook/inventory';
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

/** Fills an empty catalogue, through the same commands that clients use. */
export async function loadDemoData(app: INestApplication): Promise<void> {
  const commands = app.get(CommandBus);
  const context = systemContext('demo-data');
  const north = { code: 'north', name: 'Northern warehouse', priority: 200 };
  await commands.execute(new CreateWarehouse(north, context));
  await Promise.all(
    CATALOGUE.map(async ([sku, name, priceCents, inMain, inNorth]) => {
      await commands.execute(new CreateProduct({ sku, name, priceCents }, context));
      for (const [warehouse, quantityDelta] of [['main', inMain], ['north', inNorth]] as const) {
        if (quantityDelta === 0) continue;
        await commands.execute(new AdjustStock({ sku, warehouse, quantityDelta, reason: 'received' }, context));
      }
    }),
  );
}
