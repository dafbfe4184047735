import {
  inSpan,
  isTracing,
  outsideTraces,
  type SpanOptions,
  startSpan,
  type TraceHeaders,
  type TraceSpan,
} from '@daybook/platform';

import type { Claim, Verdict } from '../attempt.js';
import type { Deferred } from '../order-processor.js';
import { ORDERS_QUEUE } from '../queue-names.js';

/** By the semantic conventions for messaging: orders come to workers through a queue. */
const QUEUE = { 'messaging.system': 'pg-boss', 'messaging.destination.name': ORDERS_QUEUE };

/** A span for a claim that found orders, linked with the requests that placed them; most find none, and have none. */
export async function traceClaim(claim: () => Promise<readonly Claim[]>): Promise<readonly Claim[]> {
  if (!isTracing()) return claim();
  const startedAt = new Date();
  const claims = await outsideTraces(claim);
  if (claims.length > 0) startSpan(`receive ${ORDERS_QUEUE}`, claimOptions(claims, startedAt)).end();
  return claims;
}

function claimOptions(claims: readonly Claim[], startedAt: Date): SpanOptions {
  return {
    kind: 'consumer',
    parent: 'none',
    links: claims.flatMap(({ trace }): TraceHeaders[] => (trace === undefined ? [] : [trace])),
    startedAt,
    attributes: {
      ...QUEUE,
      'messaging.operation.name': 'receive',
      'messaging.operation.type': 'receive',
      'messaging.batch.message_count': claims.length,
    },
  };
}

/** A span for an attempt, in the trace of the request that made its order pending; it ends when it is settled. */
export function startAttemptSpan({ id, orderId, retryCount, trace }: Claim): TraceSpan {
  return startSpan(`process ${ORDERS_QUEUE}`, {
    kind: 'consumer',
    parent: trace ?? 'none',
    attributes: {
      ...QUEUE,
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.message.id': id,
      'daybook.order.id': orderId,
      'daybook.attempt.number': retryCount + 1,
    },
  });
}

/** A span for giving back an order that no worker has begun, in the same trace. */
export function traceHandBack({ orderId, trace }: Claim, work: () => Promise<void>): Promise<void> {
  return inSpan('hand back', { parent: trace ?? 'none', attributes: { 'daybook.order.id': orderId } }, work);
}

/** @param end undefined: the order is somebody else's now */
export function describeEnd(span: TraceSpan, end: Verdict | Deferred | undefined): void {
  const verdict = end !== undefined && 'outcome' in end ? end : undefined;
  const outcome = verdict?.outcome ?? (end === undefined ? 'lost' : 'deferred');
  span.describe({ 'daybook.attempt.outcome': outcome });
  if (verdict !== undefined && verdict.outcome !== 'confirmed' && verdict.outcome !== 'handed_back')
    span.fail(verdict.outcome, verdict.reason ?? verdict.outcome);
}
