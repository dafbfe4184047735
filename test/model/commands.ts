import fc from 'fast-check';

import type { OrderStatus } from '@daybook/orders';

import {
  type Actor,
  ACTORS,
  type ModelOrder,
  type ModelReservation,
  Oracle,
  EDGES,
  STATUSES,
} from './oracle.js';
import type { Product } from './product.js';
import { type Line, WAREHOUSES } from './shelves.js';

export type Command = fc.AsyncCommand<Oracle, Product>;

/** A command from what it does; one that needs something to work on is left out while there is nothing. */
function command<Subject>(
  name: string,
  subjectIn: (oracle: Readonly<Oracle>) => Subject | undefined,
  run: (subject: Subject, oracle: Oracle, product: Product) => Promise<void>,
): Command {
  return {
    check: (oracle) => subjectIn(oracle) !== undefined,
    run: async (oracle, product) => {
      await run(subjectIn(oracle) as Subject, oracle, product);
      await product.expectState(oracle);
    },
    toString: () => name,
  };
}

const always = () => true;
const nth =
  <T>(list: (oracle: Readonly<Oracle>) => readonly T[], n: number) =>
  (oracle: Readonly<Oracle>): T | undefined => {
    const choices = list(oracle);
    return choices[n % choices.length];
  };
const reservation = (n: number) => nth<ModelReservation>((oracle) => oracle.reservations, n);
const order = (n: number) => nth<ModelOrder>((oracle) => oracle.orders, n);

function reserve(actor: Actor, lines: readonly Line[], ttlSeconds: number): Command {
  const name = `reserve(${actor}, ${inWords(lines)}, ${ttlSeconds} s)`;
  return command(name, always, async (_, oracle, product) => {
    const answer = await product.ask(actor, 'POST', '/reservations', { lines, ttlSeconds });
    product.expectAnswer('reserve', answer, oracle.reserve(actor, lines, ttlSeconds, answer.body.id));
  });
}

function extend(actor: Actor, n: number, ttlSeconds: number): Command {
  return command(
    `extend(${actor}, #${n}, ${ttlSeconds} s)`,
    reservation(n),
    async (chosen, oracle, product) => {
      const answer = await product.ask(actor, 'POST', `/reservations/${chosen.id}/extend`, { ttlSeconds });
      product.expectAnswer('extend', answer, oracle.extend(actor, chosen, ttlSeconds));
    },
  );
}

function release(actor: Actor, n: number): Command {
  return command(`release(${actor}, #${n})`, reservation(n), async (chosen, oracle, product) => {
    const answer = await product.ask(actor, 'POST', `/reservations/${chosen.id}/release`, {});
    product.expectAnswer('release', answer, oracle.release(actor, chosen));
  });
}

/** @param isAll else only those that were due first: they share their deadline, so it is certain which they are */
function expire(isAll: boolean): Command {
  return command(`expire(${isAll ? 'all' : 'first'})`, always, async (_, oracle, product) => {
    const deadlines = oracle.overdue().map(({ dueAt }) => dueAt);
    const dueBy = isAll ? oracle.now : Math.min(...deadlines);
    const limit = isAll ? 1_000 : deadlines.filter((dueAt) => dueAt === dueBy).length;
    expect(await product.expire(limit)).toBe(oracle.expire(dueBy));
  });
}

function orderLines(actor: Actor, lines: readonly Line[]): Command {
  return command(`order(${actor}, ${inWords(lines)})`, always, async (_, oracle, product) => {
    const answer = await product.ask(actor, 'POST', '/orders', { lines });
    product.expectAnswer('order', answer, oracle.order(actor, lines, answer.body.id));
  });
}

function orderReserved(actor: Actor, n: number): Command {
  return command(`orderReserved(${actor}, #${n})`, reservation(n), async (chosen, oracle, product) => {
    const answer = await product.ask(actor, 'POST', '/orders', { reservationId: chosen.id });
    product.expectAnswer('orderReserved', answer, oracle.orderReserved(actor, chosen, answer.body.id));
  });
}

/** @param target a status, allowed or not, or which of those that are allowed then */
function move(actor: Actor, n: number, target: OrderStatus | number): Command {
  return command(`move(${actor}, #${n}, ${target})`, order(n), async (chosen, oracle, product) => {
    const allowed = EDGES[chosen.status];
    const to = typeof target === 'number' ? allowed[target % allowed.length] : target;
    await moveTo(to ?? chosen.status, actor, chosen, oracle, product);
  });
}

const inStatus = (wanted: OrderStatus) => (oracle: Readonly<Oracle>) =>
  oracle.orders.filter(({ status }) => status === wanted);

/** A pending order is processed, so that there are enough that were confirmed and that have failed. */
function process(n: number, result: 'confirmed' | 'failed'): Command {
  return command(
    `process(#${n}, ${result})`,
    nth(inStatus('pending'), n),
    async (chosen, oracle, product) => {
      await moveTo('processing', 'operator', chosen, oracle, product);
      await moveTo(result, 'operator', chosen, oracle, product);
    },
  );
}

/** One of those in a status leaves it: few are in these, and much depends on them. */
function leave(from: 'confirmed' | 'shipped' | 'failed', n: number): Command {
  return command(`leave(${from}, #${n})`, nth(inStatus(from), n), async (chosen, oracle, product) => {
    const [to = from] = EDGES[from];
    await moveTo(to, 'operator', chosen, oracle, product);
  });
}

async function moveTo(to: OrderStatus, actor: Actor, chosen: ModelOrder, oracle: Oracle, product: Product) {
  const { status: from } = chosen;
  const answer = await product.ask(actor, 'PATCH', `/orders/${chosen.id}`, { status: to });
  product.expectAnswer(`${from} to ${to}`, answer, oracle.move(actor, chosen, to));
}

function adjust(sku: string, warehouse: string, quantityDelta: number): Command {
  const body = { sku, warehouse, quantityDelta, reason: 'counted' };
  return command(`adjust(${sku}, ${warehouse}, ${quantityDelta})`, always, async (_, oracle, product) => {
    const answer = await product.ask('operator', 'POST', '/stock-adjustments', body);
    product.expectAnswer('adjust', answer, oracle.adjust(sku, warehouse, quantityDelta));
  });
}

function pass(ms: number): Command {
  return command(`pass(${ms} ms)`, always, async (_, oracle, product) => {
    oracle.now += ms;
    await product.setTime(oracle.now);
  });
}

/** To a moment around the next deadline: the millisecond before it, the deadline itself, or one after it. */
function passToDeadline(offsetMs: number): Command {
  const nextDeadline = (oracle: Readonly<Oracle>) =>
    oracle.reservations
      .filter(({ status, dueAt }) => status === 'active' && dueAt + offsetMs > oracle.now)
      .map(({ dueAt }) => dueAt)
      .sort((one, other) => one - other)[0];
  return command(`passToDeadline(${offsetMs} ms)`, nextDeadline, async (dueAt, oracle, product) => {
    oracle.now = dueAt + offsetMs;
    await product.setTime(oracle.now);
  });
}

function inWords(lines: readonly Line[]): string {
  return lines.map(({ sku, quantity }) => `${quantity} ${sku}`).join(' + ');
}

/** What may happen next. Quantities are such that stock is short about as often as it is not. */
export function anyCommand(skus: readonly string[]): fc.Arbitrary<Command>[] {
  const actor = fc.constantFrom<Actor[]>(...ACTORS, 'alice');
  const owner = fc.constantFrom<Actor[]>('operator', 'operator', ...ACTORS);
  const which = fc.nat({ max: 30 });
  const sku = fc.constantFrom(...skus);
  const lines = fc.array(fc.record({ sku, quantity: fc.integer({ min: 1, max: 9 }) }), {
    minLength: 1,
    maxLength: 3,
  });
  const ttlSeconds = fc.constantFrom(1, 2, 3, 5, 60, 86_400);
  const warehouse = fc.constantFrom(...WAREHOUSES);
  const delta = fc.integer({ min: -9, max: 15 }).filter((quantity) => quantity !== 0);
  const onwards = { weight: 4, arbitrary: fc.nat({ max: 5 }) };
  const anyMove = fc.tuple(owner, which, fc.oneof(fc.constantFrom(...STATUSES), onwards));
  const commands: [weight: number, arbitrary: fc.Arbitrary<Command>][] = [
    [4, fc.tuple(actor, lines, ttlSeconds).map((arguments_) => reserve(...arguments_))],
    [2, fc.tuple(owner, which, ttlSeconds).map((arguments_) => extend(...arguments_))],
    [1, fc.tuple(owner, which).map((arguments_) => release(...arguments_))],
    [1, fc.boolean().map(expire)],
    [2, fc.tuple(actor, lines).map((arguments_) => orderLines(...arguments_))],
    [2, fc.tuple(owner, which).map((arguments_) => orderReserved(...arguments_))],
    [3, anyMove.map((arguments_) => move(...arguments_))],
    [3, fc.tuple(which, fc.constantFrom('confirmed', 'failed')).map((arguments_) => process(...arguments_))],
    [
      2,
      fc
        .tuple(fc.constantFrom('confirmed', 'shipped', 'failed', 'failed'), which)
        .map((arguments_) => leave(...arguments_)),
    ],
    [1, fc.tuple(sku, warehouse, delta).map((arguments_) => adjust(...arguments_))],
    [2, fc.integer({ min: 1, max: 4_000 }).map(pass)],
    [2, fc.constantFrom(-1, 0, 0, 1).map(passToDeadline)],
  ];
  return commands.flatMap(([weight, arbitrary]) => Array.from({ length: weight }, () => arbitrary));
}

export const openingStock = (skus: readonly string[]): Command[] => [
  adjust(skus[0] as string, 'main', 12),
  adjust(skus[0] as string, 'north', 6),
  adjust(skus[1] as string, 'main', 8),
  adjust(skus[1] as string, 'south', 8),
  adjust(skus[2] as string, 'main', 5),
];
