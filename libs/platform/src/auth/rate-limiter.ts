import { Inject, Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';

import { CONFIG, type DaybookConfig } from '../config/config.js';
import { RateLimited } from '../errors/domain-error.js';

const WINDOW_MS = 60_000;
const CALLERS = 100_000;

/** Counts each caller's requests in windows of one minute. Per process: N replicas allow N times the limit. */
@Injectable()
export class RateLimiter {
  private readonly windows = new LRUCache<string, { requests: number; readonly endsAt: number }>({
    max: CALLERS,
  });
  private readonly limit: number;

  constructor(@Inject(CONFIG) config: DaybookConfig) {
    this.limit = config.rateLimitPerMinute ?? Infinity;
  }

  /** @throws {RateLimited} when this request is one too many */
  count(caller: string): void {
    if (this.limit === Infinity) return;
    const now = performance.now();
    let window = this.windows.get(caller);
    if (window === undefined || window.endsAt <= now) {
      window = { requests: 0, endsAt: now + WINDOW_MS };
      this.windows.set(caller, window);
    }
    window.requests += 1;
    if (window.requests > this.limit) throw new RateLimited(Math.ceil((window.endsAt - now) / 1000));
  }
}
