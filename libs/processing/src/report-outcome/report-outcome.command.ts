import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { DataSource } from 'typeorm';

import { toStoredNumber } from '@daybook/id-generator';
import type { OrderId, OrderStatus } from '@daybook/orders';
import {
  Answer,
  DomainError,
  IllegalTransition,
  NotFound,
  systemContext,
  ValidationFailed,
  VersionConflict,
} from '@daybook/platform';

import { type HeldAttempt, requestIdOf } from '../attempt.js';
import { ORDERS_QUEUE } from '../queue-names.js';
import { SettleAttempts } from '../settle-attempts.js';
import type { CallbackOutcome, ReportOutcomeRequest } from './report-outcome.dto.js';

/** The service that an order was handed to says how it went. @throws {AttemptOver} {NotFound} {ValidationFailed} */
export class ReportOutcome extends Command<Answer> {
  constructor(
    readonly orderId: string,
    readonly report: ReportOutcomeRequest,
  ) {
    super();
  }
}

/** Another attempt has begun, or the order has moved on: the report counts for nothing. */
export class AttemptOver extends DomainError {
  readonly code = 'attempt_over';
  readonly status = 409;

  constructor(orderId: string, version: number) {
    super(`The attempt of order ${orderId} that began at version ${version} is over.`, { orderId, version });
  }
}

const OPEN_ATTEMPT = `
  SELECT id, retry_count AS "retryCount", extract(epoch FROM now() - started_on)::float8 * 1000 AS "durationMs"
  FROM pgboss.job WHERE name = '${ORDERS_QUEUE}' AND id = job_id_of($1) AND state = 'active'`;

const ORDER = `SELECT status, version, updated_at AS "updatedAt" FROM orders WHERE id = $1`;

/** What an order may have become by a report that counted. */
const BECOMES: Readonly<Record<CallbackOutcome, readonly OrderStatus[]>> = {
  confirmed: ['confirmed'],
  refused: ['failed'],
  failed: ['pending', 'failed'],
};

@CommandHandler(ReportOutcome)
export class ReportOutcomeHandler implements ICommandHandler<ReportOutcome> {
  constructor(
    @Inject(DataSource) private readonly database: DataSource,
    private readonly settlements: SettleAttempts,
  ) {}

  async execute({ orderId, report }: ReportOutcome): Promise<Answer> {
    const stored = toStoredNumber(orderId);
    if (stored === undefined) throw new NotFound(`There is no order ${orderId}.`);
    if (report.orderId !== orderId)
      throw new ValidationFailed([{ path: 'orderId', message: 'must be the order of the path' }]);
    const answer = (await this.settle(stored, report)) ?? (await this.answerAgain(stored, report));
    if (answer === undefined) throw new AttemptOver(orderId, report.version);
    return answer;
  }

  /** Undefined when the attempt is over. */
  private async settle(
    stored: string,
    { orderId, version, outcome, reason }: ReportOutcomeRequest,
  ): Promise<Answer | undefined> {
    const [open] = (await this.database.query(OPEN_ATTEMPT, [stored])) as OpenAttempt[];
    if (open === undefined) return undefined;
    const { durationMs, ...job } = open;
    const attempt = { ...job, orderId: orderId as OrderId, version };
    try {
      const verdict = { outcome, reason, durationMs };
      return await this.settlements.settle(attempt, verdict, systemContext(requestIdOf(attempt)));
    } catch (error) {
      if (error instanceof VersionConflict || error instanceof IllegalTransition) return undefined;
      throw error;
    }
  }

  /** A report that comes again, because its answer was lost, has counted if the order became by it what it is. */
  private async answerAgain(
    stored: string,
    { orderId, version, outcome }: ReportOutcomeRequest,
  ): Promise<Answer | undefined> {
    const [order] = (await this.database.query(ORDER, [stored])) as OrderState[];
    if (order?.version !== version + 1 || !BECOMES[outcome].includes(order.status)) return undefined;
    const state = { id: orderId, ...order, updatedAt: order.updatedAt.toISOString() };
    return Answer.versioned(state);
  }
}

type OpenAttempt = Pick<HeldAttempt, 'id' | 'retryCount'> & { readonly durationMs: number };

interface OrderState {
  readonly status: OrderStatus;
  readonly version: number;
  readonly updatedAt: Date;
}
