import { setTimeout as pause } from 'node:timers/promises';

import { Injectable } from '@nestjs/common';

import { outsideTraces, Overloaded, Readiness } from '@daybook/platform';

import { EventFeed } from './event-feed.js';
import type { JournalEntryResponse } from './journal-entry.dto.js';

const LOOK_EVERY_MS = 100;
const MOST_FOLLOWERS = 1_000;
const NOT_LOOKED_YET = -1n;

/** What a follower waits for. */
export interface Wish {
  readonly after: bigint;
  readonly limit: number;
  /** By `performance.now()`. */
  readonly until: number;
  /** Aborted when nobody is there any more to take the events. */
  readonly over: AbortSignal;
  /** What somebody else has begun to read a moment ago will do, too. */
  readonly mayShare: boolean;
}

interface Waiter {
  readonly after: bigint;
  readonly turn: number;
  readonly until: number;
  readonly wake: () => void;
  readonly fail: (reason: unknown) => void;
}

/**
 * Those who wait for events. While there are any, one statement every tenth of a second looks for all of them whether a
 * position was taken, so that nobody who waits keeps a connection.
 */
@Injectable()
export class EventFollowers {
  private admitted = 0;
  private readonly waiters = new Set<Waiter>();
  private isWatching = false;
  private readonly underWay = new Map<string, Promise<JournalEntryResponse[]>>();
  private head = NOT_LOOKED_YET;
  /** Whoever took a position up to the head has a lower id. */
  private firstLater = 0n;
  /** All of them have ended. */
  private isQuiet = false;
  /** Grows whenever there may be something new. */
  private turn = 0;

  constructor(
    private readonly feed: EventFeed,
    private readonly readiness: Readiness,
  ) {}

  /** How many clients wait or have a stream open. */
  get count(): number {
    return this.admitted;
  }

  /** Counts in a client that waits, until it is gone. @throws {Overloaded} when there are too many */
  admit(over: AbortSignal): void {
    if (this.admitted >= MOST_FOLLOWERS) throw new Overloaded('Too many clients follow the events here.');
    if (over.aborted) return;
    this.admitted += 1;
    over.addEventListener('abort', () => (this.admitted -= 1), { once: true });
  }

  /**
   * The next events, as soon as there are any; none when there were none until then, when it is over, or when the server
   * stops.
   * @throws {EventsDetached}
   */
  async next(wish: Wish): Promise<JournalEntryResponse[]> {
    for (let mayShare = wish.mayShare; ; mayShare = true) {
      if (wish.over.aborted) return [];
      // Before reading: what comes meanwhile makes another turn.
      const { turn } = this;
      const events = mayShare
        ? await this.readTogether(turn, wish)
        : await this.feed.read(wish.after, wish.limit);
      const isLate = this.readiness.isStopping || performance.now() >= wish.until;
      if (events.length > 0 || isLate) return events;
      await this.wait(turn, wish);
    }
  }

  /** Those who were woken by the same turn, and are at the same place, are answered by the same read. */
  private readTogether(turn: number, { after, limit }: Wish): Promise<JournalEntryResponse[]> {
    const key = [turn, after, limit].join();
    let reading = this.underWay.get(key);
    if (reading === undefined) {
      reading = this.feed.read(after, limit).finally(() => this.underWay.delete(key));
      this.underWay.set(key, reading);
    }
    return reading;
  }

  private async wait(turn: number, { after, until, over }: Wish): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const wake = () => resolve();
    const waiter: Waiter = { after, turn, until, wake, fail: reject };
    over.addEventListener('abort', wake, { once: true });
    this.waiters.add(waiter);
    if (!this.isWatching) void outsideTraces(() => this.watch());
    try {
      await promise;
    } finally {
      this.waiters.delete(waiter);
      over.removeEventListener('abort', wake);
    }
  }

  private async watch(): Promise<void> {
    this.isWatching = true;
    this.head = NOT_LOOKED_YET;
    this.isQuiet = false;
    while (this.waiters.size > 0) {
      try {
        await this.look();
      } catch (error) {
        for (const { fail } of this.waiters) fail(error);
        this.waiters.clear();
        break;
      }
      for (const waiter of this.waiters) if (this.mayGoOn(waiter)) waiter.wake();
      await pause(LOOK_EVERY_MS);
    }
    this.isWatching = false;
  }

  private mayGoOn({ after, turn, until }: Waiter): boolean {
    const hasNews = turn < this.turn && after < this.head;
    return hasNews || performance.now() >= until || this.readiness.isStopping;
  }

  /** What took a position becomes visible later, or never. Until one of both is certain, every look is a turn. */
  private async look(): Promise<void> {
    const head = await this.feed.head();
    if (this.isQuiet && head === this.head) return;
    const { oldest, next } = await this.feed.openTransactions();
    if (head !== this.head) this.firstLater = next;
    this.head = head;
    this.isQuiet = oldest >= this.firstLater;
    this.turn += 1;
  }
}
