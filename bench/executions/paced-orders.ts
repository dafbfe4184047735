import { Agent, request } from 'node:http';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import type { RequestFactory } from '../support/load/load-plan.ts';
import { quantile } from '../support/statistics.ts';

export interface PacedFigures {
  readonly orders: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Answers that were not 201. */
  readonly refused: number;
}

/** Places orders at a set rate, whatever the answers take; a latency counts from when its order was due. */
export async function placePaced(
  url: string,
  next: RequestFactory,
  perSecond: number,
  seconds: number,
): Promise<PacedFigures> {
  const agent = new Agent({ keepAlive: true, maxSockets: 256 });
  const latencies: number[] = [];
  let refused = 0;
  const underWay: Promise<void>[] = [];
  const begin = performance.now();
  for (let order = 0; order < perSecond * seconds; order++) {
    const dueAt = begin + (order * 1_000) / perSecond;
    const early = dueAt - performance.now();
    if (early > 1) await pause(early);
    const answered = send(agent, url, next).then((status) => {
      latencies.push(performance.now() - dueAt);
      if (status !== 201) refused += 1;
    });
    underWay.push(answered);
  }
  await Promise.all(underWay);
  agent.destroy();
  const sorted = latencies.sort((a, b) => a - b);
  const [p50Ms, p99Ms, maxMs] = [0.5, 0.99, 1].map((share) => quantile(sorted, share));
  return { orders: sorted.length, p50Ms: p50Ms ?? NaN, p99Ms: p99Ms ?? NaN, maxMs: maxMs ?? NaN, refused };
}

function send(agent: Agent, url: string, next: RequestFactory): Promise<number> {
  const { method, path, headers, body } = next(0);
  return new Promise((resolve, reject) => {
    const asked = request(
      new URL(path, url),
      { agent, method, headers: { ...Object.fromEntries(headers), 'content-length': String(body.length) } },
      (answer) => {
        answer.resume();
        answer.on('end', () => resolve(answer.statusCode ?? 0));
      },
    );
    asked.on('error', reject);
    asked.end(body);
  });
}
