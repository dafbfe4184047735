import fc from 'fast-check';

import { anyCommand, type Command, openingStock } from './commands.js';
import { Oracle } from './oracle.js';
import { Product } from './product.js';

/*
 * Random sequences of requests, one after the other, against a model in memory that says how each must be answered and
 * how the books must look afterwards. A failure says its seed and the shortest sequence that fails;
 * MODEL_SEED=<number> makes the same sequences again, MODEL_RUNS=<number> more of them.
 */
const SEED = Number(process.env['MODEL_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const RUNS = Number(process.env['MODEL_RUNS'] ?? 15);
const MOST_COMMANDS = 120;

const PRICES = { TEA: 1000, CUP: 250, POT: 4999 };
const SKUS = Object.keys(PRICES);
const BEGIN = Date.parse('2026-11-20T22:30:00.000Z');

let product: Product;
beforeAll(async () => {
  product = await Product.start(PRICES);
});
afterAll(() => product.stop());

async function begin(): Promise<{ model: Oracle; real: Product }> {
  await product.beginAt(BEGIN);
  const model = new Oracle(PRICES, BEGIN);
  for (const command of openingStock(SKUS)) await command.run(model, product);
  return { model, real: product };
}

describe('reservations and orders', () => {
  it(
    'do what the model says, whatever comes after whatever',
    async () => {
      const sequences = fc.commands(anyCommand(SKUS), { maxCommands: MOST_COMMANDS, size: 'max' });
      await fc.assert(
        fc.asyncProperty(sequences, async (commands: Iterable<Command>) => fc.asyncModelRun(begin, commands)),
        { seed: SEED, numRuns: RUNS },
      );
      if (process.env['MODEL_RUNS'] !== undefined) report();
      // Otherwise the sequences are not about what they are meant to be about.
      expect([...product.tally.keys()]).toEqual(expect.arrayContaining(ESSENTIAL));
      // Long enough to find the shortest sequence, should one fail.
    },
    120_000 + RUNS * 5_000,
  );
});

const ESSENTIAL = [
  'reserve 201',
  'reserve 409',
  'extend 200',
  'extend 404',
  'extend 409',
  'release 200',
  'release 409',
  'order 201',
  'order 409',
  'orderReserved 201',
  'orderReserved 409',
  'pending to processing 200',
  'pending to cancelled 200',
  'processing to failed 200',
  'failed to pending 200',
  'processing to confirmed 200',
  'adjust 201',
  'adjust 409',
];

function report(): void {
  const { tally, steps } = product;
  const lines = [...tally].sort().map(([outcome, times]) => `  ${String(times).padStart(6)}  ${outcome}`);
  process.stdout.write(`seed ${SEED}: ${RUNS} runs, ${steps} steps\n${lines.join('\n')}\n`);
}
