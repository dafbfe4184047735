import { createHistogram, performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { HttpConnection } from './http-connection.ts';
import type { LoadPlan, LoadProgress, LoadResult, RequestFactory, StatusCounts } from './load-plan.ts';

// Node listens with a backlog of 511: a thousand connects at once would lose some for a second.
const CONNECTS_AT_ONCE = 100;
const DRAIN_SECONDS_AT_MOST = 30;
const REOPEN_AFTER_MS = 50;
// A server that refuses this many connections is not being measured any more.
const FAILURES_AT_MOST = 2_000;
const LOOPBACK_HOSTS = new Set(['127.0.0.1', '[::1]', 'localhost']);

/** Every connection waits for its answer before it asks again, so the load never outruns the server. */
export class ClosedLoop {
  readonly #plan: LoadPlan;
  readonly #server: { host: string; port: number };
  readonly #next: RequestFactory;
  readonly #connections: HttpConnection[] = [];
  readonly #sentAt: Float64Array;
  readonly #latencyMicroseconds = createHistogram({ lowest: 1, highest: 600_000_000, figures: 3 });
  readonly #measured: StatusCounts = {};
  readonly #all: StatusCounts = {};
  readonly #failures: StatusCounts = {};
  readonly #startedAt = performance.now();
  readonly #drained = Promise.withResolvers<void>();
  readonly #broken = Promise.withResolvers<never>();
  #phase: 'opening' | 'warming up' | 'measuring' | 'draining' = 'opening';
  #sent = 0;
  #answered = 0;
  #failed = 0;
  #underWay = 0;

  constructor(plan: LoadPlan, next: RequestFactory) {
    this.#plan = plan;
    this.#next = next;
    this.#server = loopbackServer(plan.url);
    this.#sentAt = new Float64Array(plan.connections);
    // Raced against the run below; it may break before that race has begun.
    this.#broken.promise.catch(() => undefined);
  }

  get progress(): LoadProgress {
    return { answered: this.#answered, elapsedSeconds: (performance.now() - this.#startedAt) / 1000 };
  }

  run(): Promise<LoadResult> {
    return Promise.race([this.#run(), this.#broken.promise]);
  }

  async #run(): Promise<LoadResult> {
    await this.#openAll();
    this.#phase = 'warming up';
    for (let connection = 0; connection < this.#plan.connections; connection++) this.#send(connection);
    await pause(this.#plan.warmUpSeconds * 1000);

    this.#phase = 'measuring';
    const begin = performance.now();
    const processorBefore = process.cpuUsage();
    await Promise.race([pause(this.#plan.seconds * 1000, undefined, { ref: false }), this.#drained.promise]);
    const seconds = (performance.now() - begin) / 1000;
    const processor = process.cpuUsage(processorBefore);

    await this.#drain();
    return this.#result(seconds, processor.user + processor.system);
  }

  async #openAll(): Promise<void> {
    for (let first = 0; first < this.#plan.connections; first += CONNECTS_AT_ONCE) {
      const last = Math.min(first + CONNECTS_AT_ONCE, this.#plan.connections);
      await Promise.all(Array.from({ length: last - first }, (_, offset) => this.#open(first + offset)));
    }
  }

  #open(connection: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#connections[connection] = new HttpConnection(this.#server, {
      open: resolve,
      answer: (status) => this.#answer(connection, status),
      closed: (reason) => this.#closed(connection, reason),
    });
    return promise;
  }

  #closed(connection: number, reason: string): void {
    if (this.#sentAt[connection] !== 0) this.#settle(connection);
    else if (this.#phase === 'draining') return;
    this.#failures[reason] = (this.#failures[reason] ?? 0) + 1;
    this.#failed += 1;
    if (this.#phase === 'opening' || this.#failed > FAILURES_AT_MOST) {
      return this.#broken.reject(new Error(`connections to the server fail: ${reason}`));
    }
    if (this.#phase === 'draining') return this.#finishIfDrained();
    setTimeout(() => void this.#open(connection).then(() => this.#send(connection)), REOPEN_AFTER_MS);
  }

  #send(connection: number): void {
    if (this.#phase === 'draining' || this.#sent >= this.#plan.maximumRequests)
      return this.#finishIfDrained();
    this.#sent += 1;
    this.#underWay += 1;
    this.#sentAt[connection] = performance.now();
    this.#connections[connection]?.send(this.#next(connection));
  }

  #answer(connection: number, status: number): void {
    const milliseconds = performance.now() - (this.#sentAt[connection] ?? 0);
    this.#settle(connection);
    this.#answered += 1;
    this.#all[status] = (this.#all[status] ?? 0) + 1;
    if (this.#phase === 'measuring') {
      this.#measured[status] = (this.#measured[status] ?? 0) + 1;
      this.#latencyMicroseconds.record(Math.max(1, Math.round(milliseconds * 1000)));
    }
    this.#send(connection);
  }

  #settle(connection: number): void {
    this.#sentAt[connection] = 0;
    this.#underWay -= 1;
  }

  #finishIfDrained(): void {
    if (this.#underWay === 0) this.#drained.resolve();
  }

  /** Waits for the answers still under way, because the database will hold their orders too. */
  async #drain(): Promise<void> {
    this.#phase = 'draining';
    this.#finishIfDrained();
    await Promise.race([
      this.#drained.promise,
      pause(DRAIN_SECONDS_AT_MOST * 1000, undefined, { ref: false }),
    ]);
    if (this.#underWay > 0) this.#failures['no answer'] = this.#underWay;
    for (const connection of this.#connections) connection.close();
  }

  #result(seconds: number, processorMicroseconds: number): LoadResult {
    const measured = sum(Object.values(this.#measured));
    const succeeded = Object.entries(this.#measured).filter(([status]) => status.startsWith('2'));
    const milliseconds = (percentile: number): number =>
      measured === 0 ? 0 : this.#latencyMicroseconds.percentile(percentile) / 1000;
    return {
      connections: this.#plan.connections,
      seconds,
      perSecond: sum(succeeded.map(([, count]) => count)) / seconds,
      latencyMs: {
        p50: milliseconds(50),
        p90: milliseconds(90),
        p99: milliseconds(99),
        max: milliseconds(100),
      },
      statuses: this.#measured,
      allStatuses: this.#all,
      failures: this.#failures,
      generatorMicrosecondsPerRequest: measured === 0 ? 0 : processorMicroseconds / measured,
    };
  }
}

/** A load generator pointed at somebody else's host by a slip would be an attack, so it refuses. */
function loopbackServer(url: string): { host: string; port: number } {
  const { hostname, port, protocol } = new URL(url);
  if (protocol !== 'http:' || !LOOPBACK_HOSTS.has(hostname) || port === '') {
    throw new Error(`the load generator only drives http://127.0.0.1:<port>, not ${url}`);
  }
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) };
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
