import { setTimeout as pause } from 'node:timers/promises';

import { orderStatusMachine } from '@daybook/orders';

import { KeepAliveClient } from '../support/keep-alive-client.js';
import type { AnsweredOrder, AnsweredReservation, Booking, Ledger, Placement } from './ledger.js';
import { Random } from './random.js';
import { attempt, CATALOGUE, isUnknown, note, noteExpiry, send } from './wishes.js';

const MOVES = 0.25;
const CHANGES_OF_RESERVATIONS = 0.3;
const RESERVATIONS = 0.3;
const NAMED = 0.2;
const SCARCE = 0.03;
const TIGHT = 0.2;
const PAUSE_AFTER_503_MS = 100;

export interface LoadOptions {
  readonly origin: string;
  /** One per client. */
  readonly tokens: readonly string[];
  readonly ledger: Ledger;
  /** Makes this load's keys different from any other's. */
  readonly round: number;
  readonly seed: number;
}

/** One client, and what it has and may still change. */
interface Client {
  readonly wire: KeepAliveClient;
  readonly index: number;
  readonly random: Random;
  readonly orders: Placement[];
  readonly reservations: Booking[];
}

/**
 * A closed loop of clients, each with one connection and one request under way on it: an order, a reservation, or a
 * change of either. A client that is told 503 tries the same again, with the same key; one whose connection breaks
 * gives up.
 */
export class Load {
  /** 201 and 200. */
  succeeded = 0;
  private isStopping = false;
  private readonly clients: readonly Client[];
  private readonly finished: Promise<unknown>;

  constructor(private readonly options: LoadOptions) {
    const { origin, tokens, seed, round } = options;
    this.clients = tokens.map((token, index) => ({
      wire: new KeepAliveClient(origin, token),
      index,
      random: new Random(seed, round, index),
      orders: [],
      reservations: [],
    }));
    this.finished = Promise.all(this.clients.map((client) => this.run(client)));
  }

  /** Lets every client finish what it is at, and resolves when all are done. */
  async stop(): Promise<void> {
    this.isStopping = true;
    await this.finished;
    for (const { wire } of this.clients) wire.close();
  }

  private async run(client: Client): Promise<void> {
    let isConnected = true;
    for (let n = 1; isConnected && !this.isStopping; n += 1) isConnected = await this.next(client, n);
  }

  /** False when the connection broke, as of all that follow. */
  private next(client: Client, n: number): Promise<boolean> {
    const { ledger, round } = this.options;
    const { index, random, orders, reservations } = client;
    const key = `r${round}-c${index}-${n}`;
    if (orders.length > 0 && random.chance(MOVES)) return this.move(client, random.pick(orders));
    if (reservations.length > 0 && random.chance(CHANGES_OF_RESERVATIONS)) {
      return this.changeReservation(client, random.pick(reservations), key);
    }
    return random.chance(RESERVATIONS)
      ? this.make(client, ledger.reserve(key, index, reservationBody(random)))
      : this.make(client, ledger.order(key, index, orderBody(random, key)));
  }

  private async make(client: Client, wish: Placement | Booking): Promise<boolean> {
    const { ledger } = this.options;
    for (;;) {
      const answer = await attempt(client.wire, wish);
      if (answer === undefined) {
        wish.isInDoubt = true;
        return false;
      }
      if (note(wish, answer, ledger) !== 'try again') {
        this.succeeded += 1;
        if (wish.state === 'made') keep(client, wish);
        return true;
      }
      if (this.isStopping) return true;
      await pause(PAUSE_AFTER_503_MS);
    }
  }

  private async move(client: Client, placement: Placement): Promise<boolean> {
    const { order } = placement;
    if (order === undefined || placement.doubtfulMove !== undefined) return true;
    const edges = orderStatusMachine.allowed(order.status);
    if (edges.length === 0) return true;
    const to = client.random.pick(edges);
    const answer = await send(
      client.wire,
      `/api/v1/orders/${order.id}`,
      { status: to },
      {
        method: 'PATCH',
        headers: { 'if-match': `"${order.version}"`, 'x-request-id': `${placement.key}-${order.version}` },
      },
    );
    if (answer?.status === 200) {
      const { id, status, version } = JSON.parse(answer.text) as AnsweredOrder;
      placement.order = { id, status, version };
      placement.latest = answer.text;
      if (status !== to || version !== order.version + 1) {
        this.options.ledger.protests.push(`order ${id} was to go to ${to}, and was answered ${answer.text}`);
      }
      this.succeeded += 1;
    } else if (answer === undefined || isUnknown(answer)) {
      placement.doubtfulMove = { from: order.status, to, version: order.version + 1 };
    } else if (answer.status !== 503) {
      this.options.ledger.protests.push(`order ${order.id} to ${to}: ${answer.status} ${answer.text}`);
    }
    if (answer?.status === 503) await pause(PAUSE_AFTER_503_MS);
    return answer !== undefined;
  }

  /** Orders it, extends it or releases it. */
  private async changeReservation(client: Client, booking: Booking, key: string): Promise<boolean> {
    const { ledger } = this.options;
    const { index, random, wire } = client;
    const { reservation: before } = booking;
    if (before === undefined) return true;
    const change = random.pick(['order', 'order', 'extend', 'release'] as const);
    if (change !== 'extend') forget(client, booking);
    if (change === 'order') {
      return this.make(client, ledger.order(key, index, { reservationId: before.id }, booking));
    }
    const body = change === 'extend' ? { ttlSeconds: random.pick([1, 2, 3_600]) } : {};
    const headers = { 'idempotency-key': key, 'x-request-id': key };
    const answer = await send(wire, `/api/v1/reservations/${before.id}/${change}`, body, { headers });
    if (answer?.status === 200) {
      const after = JSON.parse(answer.text) as AnsweredReservation;
      booking.reservation = after;
      if (!isChanged(before, after, change)) {
        ledger.protests.push(`${change} ${JSON.stringify(before)} was answered ${answer.text}`);
      }
      this.succeeded += 1;
      return true;
    }
    // Whatever it is that came instead, this client leaves the reservation alone from now on.
    forget(client, booking);
    if (answer === undefined || isUnknown(answer)) booking.doubtfulChange = change;
    else if (answer.status === 503) await pause(PAUSE_AFTER_503_MS);
    else if (!noteExpiry(booking, answer)) {
      ledger.protests.push(`${change} ${JSON.stringify(before)}: ${answer.status} ${answer.text}`);
    }
    return answer !== undefined;
  }
}

function isChanged(
  before: AnsweredReservation,
  after: AnsweredReservation,
  change: 'extend' | 'release',
): boolean {
  return (
    after.id === before.id &&
    after.version === before.version + 1 &&
    after.status === (change === 'extend' ? 'active' : 'released') &&
    after.expiresAt >= before.expiresAt
  );
}

/** What is reserved of the product that is tight is left to expire. */
function keep({ orders, reservations }: Client, wish: Placement | Booking): void {
  if (wish.path === '/orders') orders.push(wish);
  else if (!wish.answer?.includes(CATALOGUE.tightSku)) reservations.push(wish);
}

function forget({ reservations }: Client, booking: Booking): void {
  const position = reservations.indexOf(booking);
  if (position >= 0) reservations.splice(position, 1);
}

function lines(random: Random): { sku: string; quantity: number }[] {
  const wanted: { sku: string; quantity: number }[] = Array.from({ length: random.between(1, 3) }, () => ({
    sku: random.pick(CATALOGUE.skus),
    quantity: random.between(1, 5),
  }));
  if (random.chance(SCARCE)) wanted.push({ sku: CATALOGUE.scarceSku, quantity: 1 });
  return wanted;
}

function orderBody(random: Random, key: string): object {
  return { lines: lines(random), ...(random.chance(NAMED) && { clientOrderId: `cart-${key}` }) };
}

/** Half of them run out before or soon after the crash. */
function reservationBody(random: Random): object {
  return random.chance(TIGHT)
    ? { lines: [{ sku: CATALOGUE.tightSku, quantity: random.between(1, 3) }], ttlSeconds: 1 }
    : { lines: lines(random), ttlSeconds: random.pick([1, 2, 3_600, 3_600]) };
}
