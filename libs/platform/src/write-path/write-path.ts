import { Inject, Injectable } from '@nestjs/common';
import { EventBus } from '@nestjs/cqrs';
import { DataSource, type EntityManager } from 'typeorm';

import { inRepeatedTransaction, inTransaction, together } from '../database/transaction.js';
import { DomainError } from '../errors/domain-error.js';
import type { DomainEvent } from '../events/domain-event.js';
import { InTransactionEvents } from '../events/in-transaction-handlers.js';
import {
  GroupCommit,
  type GroupCommitLimits,
  type GroupCommitObserver,
  type Outcome,
} from '../group-commit/group-commit.js';
import type { Answer } from '../http/answer.js';
import type { RequestContext } from '../http/request-context.js';
import {
  type IdempotencyClaim,
  IdempotencyInFlight,
  IdempotencyKeyReused,
  IdempotencyStore,
} from '../idempotency/idempotency.js';
import { traceBatch } from '../tracing/batch-spans.js';

/** What every command that writes carries besides its input. */
export interface WriteCommand {
  readonly context: RequestContext;
  readonly idempotency?: IdempotencyClaim | undefined;
}

/** What a batch wrote: an outcome per command, in order, and the events of everything that changed. */
export interface Written {
  readonly outcomes: readonly Outcome<Answer>[];
  readonly events: readonly DomainEvent[];
  /** Statements that were issued and not waited for: they share a round trip with the journal and the answers. */
  readonly underWay?: Promise<void>;
}

export type WriteBatch<C extends WriteCommand> = (
  commands: readonly C[],
  manager: EntityManager,
) => Promise<Written>;

/**
 * The one way to change anything: commands are gathered, and each batch runs in one transaction that claims the
 * idempotency keys, decides and writes, lets the in-transaction handlers write theirs (journal, jobs) and stores the
 * answers. Events go on the EventBus after the commit.
 */
@Injectable()
export class WritePath {
  private readonly groups: GroupCommit<never, Answer>[] = [];
  private readonly observers: GroupCommitObserver[] = [];

  constructor(
    @Inject(DataSource) private readonly database: DataSource,
    private readonly idempotency: IdempotencyStore,
    private readonly inTransactionEvents: InTransactionEvents,
    private readonly eventBus: EventBus,
  ) {}

  /**
   * A hot write: concurrent commands share transactions. `write` may return refusals for some of them.
   * @param name what the commands do: `place-order`
   * @param options how much at a time; whether a second run of any command has no second effect, as it has none anyway when
   *   the command carries an idempotency key
   */
  group<C extends WriteCommand>(
    name: string,
    write: WriteBatch<C>,
    {
      isRepeatable = false,
      ...limits
    }: Partial<GroupCommitLimits> & { readonly isRepeatable?: boolean } = {},
  ): GroupCommit<C, Answer> {
    const group = new GroupCommit<C, Answer>({
      name,
      commit: (commands) => traceBatch(name, commands, () => this.commit(commands, write)),
      isRepeatable: (command) => isRepeatable || command.idempotency !== undefined,
      limits,
      observers: this.observers,
    });
    this.groups.push(group as unknown as GroupCommit<never, Answer>);
    return group;
  }

  /** A rare write: one command per transaction, under the same rules. `write` throws its refusals. */
  single<C extends WriteCommand>(
    name: string,
    write: (
      command: C,
      manager: EntityManager,
    ) => Promise<{ answer: Answer; events: readonly DomainEvent[] }>,
  ): GroupCommit<C, Answer> {
    return this.group<C>(
      name,
      async ([command], manager) => {
        const { answer, events } = await write(command as C, manager);
        return { outcomes: [answer], events };
      },
      { batchSize: 1, batchesInFlight: 4, queueLength: 500 },
    );
  }

  /**
   * What Daybook changes by itself, in a transaction of its own under the same rules: in-transaction handlers take part,
   * and the events go on the EventBus after the commit. Run again, a bounded number of times, when it lost against another.
   * @param write `underWay` are statements that were issued and not waited for; `finish` runs last, behind the handlers: for what others wait for while it is locked
   */
  async change<T>(
    write: (manager: EntityManager) => Promise<{
      result: T;
      events: readonly DomainEvent[];
      underWay?: Promise<void>;
      finish?: () => Promise<void>;
    }>,
  ): Promise<T> {
    const { result, events } = await inRepeatedTransaction(this.database, async (manager) => {
      const written = await write(manager);
      const handled = this.inTransactionEvents.dispatch(written.events, manager);
      await together(written.underWay ?? Promise.resolve(), handled);
      await written.finish?.();
      return written;
    });
    for (const event of events) this.eventBus.publish(event);
    return result;
  }

  /** From now on the observer hears of every group, those made earlier as well. */
  observe(observer: GroupCommitObserver): void {
    this.observers.push(observer);
  }

  /** How many commands of each group wait for a transaction now. */
  get queueLengths(): readonly (readonly [name: string, commands: number])[] {
    return this.groups.map(({ name, queueLength }) => [name, queueLength] as const);
  }

  /** Refuses new commands and waits until every accepted one is committed and answered. */
  async drain(): Promise<void> {
    await Promise.all(this.groups.map((group) => group.drain()));
  }

  private async commit<C extends WriteCommand>(
    commands: readonly C[],
    write: WriteBatch<C>,
  ): Promise<readonly Outcome<Answer>[]> {
    try {
      const { outcomes, events } = await this.commitOnce(commands, write);
      for (const event of events) this.eventBus.publish(event);
      return outcomes;
    } catch (error) {
      const isLoneRefusal = error instanceof DomainError && commands.length === 1;
      if (!isLoneRefusal || commands[0]?.idempotency === undefined) throw error;
      return inTransaction(this.database, (manager) => this.answerTwins(commands, [error], manager));
    }
  }

  private commitOnce<C extends WriteCommand>(commands: readonly C[], write: WriteBatch<C>): Promise<Written> {
    return inTransaction(this.database, async (manager) => {
      const round = new IdempotentRound(commands);
      const stored = await this.idempotency.find(manager, round.claims);
      const fresh = round.fresh(stored);
      if (fresh.length === 0) return { outcomes: round.outcomes([]), events: [] };
      const written = await write(fresh, manager);
      let outcomes: readonly Outcome<Answer>[] = [];
      const remembered = this.answerTwins(fresh, written.outcomes, manager).then((answered) => {
        outcomes = round.outcomes(answered);
        return this.idempotency.store(manager, round.toStore(outcomes));
      });
      const journaled = this.inTransactionEvents.dispatch(written.events, manager);
      await together(written.underWay ?? Promise.resolve(), journaled, remembered);
      return { outcomes, events: written.events };
    });
  }

  /**
   * A command may be refused for what its own twin did: the same request in another batch, which looked for the key as
   * early and committed first. What refused it is visible by now, and so is the twin's answer.
   */
  private async answerTwins(
    commands: readonly WriteCommand[],
    outcomes: readonly Outcome<Answer>[],
    manager: EntityManager,
  ): Promise<Outcome<Answer>[]> {
    const refused = commands.map(({ idempotency }, index) =>
      outcomes[index] instanceof DomainError ? idempotency : undefined,
    );
    const answered = await this.idempotency.find(manager, refused);
    return outcomes.map((outcome, index) => answered[index] ?? outcome);
  }
}

/**
 * Sorts one batch by its idempotency keys: answered before (a replay), a repetition of another command of this very
 * batch (it shares that one's outcome), or fresh.
 */
class IdempotentRound<C extends WriteCommand> {
  readonly claims: readonly (IdempotencyClaim | undefined)[];
  /** For each command the position of the one it repeats, itself if none. */
  private readonly leaders: readonly number[];
  private stored: readonly (Outcome<Answer> | undefined)[] = [];

  constructor(private readonly commands: readonly C[]) {
    this.claims = commands.map(({ idempotency }) => idempotency);
    const first = new Map<string, number>();
    this.leaders = this.claims.map((claim, index) => {
      if (claim === undefined) return index;
      const identity = `${claim.caller}\n${claim.key}`;
      const leader = first.get(identity) ?? index;
      first.set(identity, leader);
      return leader;
    });
  }

  fresh(stored: readonly (Outcome<Answer> | undefined)[]): C[] {
    this.stored = stored;
    return this.commands.filter((_, index) => this.isFresh(index));
  }

  /** Spreads the fresh commands' outcomes over the whole batch. */
  outcomes(freshOutcomes: readonly Outcome<Answer>[]): Outcome<Answer>[] {
    let next = 0;
    const decided = this.commands.map((_, index) =>
      this.isFresh(index) ? freshOutcomes[next++] : this.stored[index],
    );
    return this.leaders.map((leader, index) => {
      const outcome = decided[index] ?? decided[leader];
      if (outcome === undefined) throw new Error('A batch wrote fewer outcomes than it had commands');
      return decided[index] === undefined ? this.repeat(index, leader, outcome) : outcome;
    });
  }

  /** What must be remembered: the answers of fresh commands that carry a key. Refusals changed nothing. */
  toStore(outcomes: readonly Outcome<Answer>[]): { claim: IdempotencyClaim; answer: Answer }[] {
    return outcomes.flatMap((outcome, index) => {
      const claim = this.claims[index];
      if (claim === undefined || outcome instanceof DomainError || !this.isFresh(index)) return [];
      if (outcome.isReplay) return []; // a twin's, which stored it
      return [{ claim, answer: outcome }];
    });
  }

  private isFresh(index: number): boolean {
    return this.stored[index] === undefined && this.leaders[index] === index;
  }

  private repeat(index: number, leader: number, outcome: Outcome<Answer>): Outcome<Answer> {
    if (this.claims[index]?.fingerprint === this.claims[leader]?.fingerprint) {
      return outcome instanceof DomainError ? outcome : outcome.asReplay();
    }
    return outcome instanceof DomainError ? new IdempotencyInFlight() : new IdempotencyKeyReused();
  }
}
