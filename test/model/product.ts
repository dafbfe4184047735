import { CommandBus } from '@nestjs/cqrs';

import { ExpireReservations } from '@daybook/inventory';
import { systemContext } from '@daybook/platform';

import { startTestApp, type TestApp, type TestResponse } from '../support/app.js';
import { emptyBooks, expectBooks, stockAsShown } from './books.js';
import type { Actor, ModelReservation, Oracle, Prediction } from './oracle.js';

/** The product, as the commands reach it, and what it must be like after each of them. */
export class Product {
  /** What happened how often: `reserve 201`, `pending to cancelled 404`, … */
  readonly tally = new Map<string, number>();
  steps = 0;

  private constructor(
    private readonly daybook: TestApp,
    private readonly skus: readonly string[],
  ) {}

  /** With empty shelves in three warehouses. No scheduler: nothing happens that the model did not ask for. */
  static async start(prices: Readonly<Record<string, number>>): Promise<Product> {
    const daybook = await startTestApp({ DAYBOOK_ROLES: 'api' });
    for (const [sku, priceCents] of Object.entries(prices)) await daybook.createProduct(sku, 0, priceCents);
    for (const code of ['north', 'south']) {
      await daybook.api('POST', '/warehouses', { body: { code, name: code, priority: 200 } });
    }
    return new Product(daybook, Object.keys(prices));
  }

  stop(): Promise<void> {
    return this.daybook.stop();
  }

  /** As on the first day, at this time. */
  async beginAt(ms: number): Promise<void> {
    await emptyBooks(this.daybook.database);
    await this.setTime(ms);
  }

  ask(actor: Actor, method: 'POST' | 'PATCH', path: string, body: object): Promise<TestResponse> {
    return this.daybook.api(method, path, { token: this.daybook.tokens[actor], body });
  }

  /** Has expiries written down, at most so many. @returns how many were */
  expire(limit: number): Promise<number> {
    return this.daybook.app.get(CommandBus).execute(new ExpireReservations(limit, systemContext('model')));
  }

  setTime(ms: number): Promise<void> {
    return this.daybook.database.stopTime(new Date(ms));
  }

  /** Checks that an answer is as predicted, and notes that this happened. */
  expectAnswer(step: string, answer: TestResponse, prediction: Prediction): void {
    expectLike(answer, prediction);
    const outcome = `${step} ${answer.status}`;
    this.tally.set(outcome, (this.tally.get(outcome) ?? 0) + 1);
  }

  /** Checks that everything is stored and shown as the model says. */
  async expectState(oracle: Oracle): Promise<void> {
    this.steps += 1;
    await expectBooks(this.daybook.database, oracle);
    await Promise.all([
      ...this.skus.map((sku) => expectStock(this.daybook, oracle, sku)),
      ...this.inTurn(oracle).map((reservation) => expectReservation(this.daybook, oracle, reservation)),
    ]);
  }

  /** Those that can still change, and one of the others in turn: the books are compared as a whole anyway. */
  private inTurn({ reservations }: Oracle): ModelReservation[] {
    const chosen = reservations[this.steps % reservations.length];
    return reservations.filter((reservation) => reservation.status === 'active' || reservation === chosen);
  }
}

function expectLike({ status, body }: TestResponse, prediction: Prediction): void {
  expect({ status, body }).toMatchObject(prediction);
}

async function expectStock({ api }: TestApp, oracle: Oracle, sku: string): Promise<void> {
  const { status, body } = await api('GET', `/products/${sku}/stock`);
  expect({ status, body }).toEqual({ status: 200, body: stockAsShown(oracle, sku) });
}

async function expectReservation(
  { api }: TestApp,
  oracle: Oracle,
  reservation: ModelReservation,
): Promise<void> {
  const answer = await api('GET', `/reservations/${reservation.id}`);
  expectLike(answer, { status: 200, body: oracle.show(reservation) });
}
