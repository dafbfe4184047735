import type { EntityManager } from 'typeorm';

import { type ExecutionBus, PARTITIONS, type Stretch } from '../execution-bus.js';
import { Arrivals } from './arrivals.js';
import { piecesBeyond, readHead, readReports, writeHead } from './nats-messages.js';
import { ensureStream, type NatsSession, openSession, type StreamOptions } from './nats-session.js';

export interface NatsBusOptions {
  /** `nats://` or `tls://`, with user and password, or a token, if the broker wants them. */
  readonly url: string;
  /** Whose executions; each venue has a stream of its own. */
  readonly venue: string;
  /** How much is kept at most; default: 1 GiB. */
  readonly maxBytes?: number;
  /** How long an arrival is waited for before it is looked for; default: 1,000. */
  readonly lookEveryMs?: number;
}

/** How far the bus has a part: there the next stretch has to join. */
interface Place {
  readonly through: number;
  /** From here on there is no hole. */
  readonly since: number;
  /** Of the part's last message, in the broker's stream; 0 when there is none. */
  readonly sequence: number;
}

/** Up to where the venue's stream was handed out with a message of the broker's. */
interface Handed {
  readonly sequence: number;
  readonly through: number;
}

/** What is known of the broker; it is forgotten when the connection breaks. */
interface Broker {
  readonly session: NatsSession;
  /** Of each part; undefined when they have to be found out before anything is published. */
  places: readonly Place[] | undefined;
  /** Of each part, in order, what was handed out and is not removed yet. */
  readonly handed: readonly Handed[][];
}

const ALL_PARTS = Array.from({ length: PARTITIONS }, (_, partition) => partition);
const GIBIBYTE = 2 ** 30;
const LOOK_EVERY_MS = 1_000;
/** However small they are, no more messages are taken at once. */
const MESSAGES_AT_ONCE = 256;
/** So many messages of a part that are applied are removed by one request. */
const REMOVED_AT_ONCE = 16;

/**
 * The stream of reports on NATS JetStream: a stream per venue, and in it a subject per part.
 *
 * Consumers read by place, and the place where they begin is that of our database: the broker keeps no account of what they
 * have read. What is applied is removed. A stretch is published on the condition that the last message of its part is the one
 * that it joins; so what arrives late, and what comes of a receiver that was replaced and does not know it, is refused.
 */
export class NatsBus implements ExecutionBus {
  private readonly url: string;
  private readonly stream: StreamOptions;
  private readonly arrivals: Arrivals;
  private broker: Promise<Broker> | undefined;
  private isClosed = false;

  constructor({ url, venue, maxBytes = GIBIBYTE, lookEveryMs = LOOK_EVERY_MS }: NatsBusOptions) {
    if (!/^[\w-]+$/.test(venue)) throw new Error(`The venue ${venue} cannot be part of a subject`);
    this.url = url;
    this.stream = { name: `daybook-executions-${venue}`, prefix: `daybook.executions.${venue}`, maxBytes };
    this.arrivals = new Arrivals(lookEveryMs);
  }

  async resumeAfter(applied: readonly number[], lost: readonly number[] = []): Promise<number> {
    const broker = await this.connected();
    broker.places = undefined;
    await ensureStream(broker.session, this.stream);
    const places = await Promise.all(
      applied.map((at, partition) => this.findPlace(broker.session, partition, at, lost.includes(partition))),
    );
    broker.places = places;
    return Math.min(...places.map(({ through }) => through));
  }

  async publish(stretches: readonly Stretch[]): Promise<void> {
    const broker = await this.connected();
    const { places, session } = broker;
    if (places === undefined)
      throw new Error('The bus may have lost something: it has to be asked from where to resume');
    const parts = Map.groupBy(stretches, ({ partition }) => partition);
    const attempts = await Promise.allSettled(
      places.map((place, partition) => this.publishPart(session, place, parts.get(partition) ?? [])),
    );
    broker.places = undefined;
    broker.places = attempts.map((attempt) => {
      if (attempt.status === 'rejected') throw attempt.reason;
      return attempt.value;
    });
    for (const partition of parts.keys()) session.connection.publish(`${this.wakePrefix}.${partition}`);
  }

  async take(partition: number, applied: number, reports: number): Promise<readonly Stretch[]> {
    const { session, handed } = await this.connected();
    this.arrivals.look(partition);
    const known = handed[partition] as Handed[];
    // Further back than what was handed out last: it was not applied, or the part was somebody else's meanwhile.
    while ((known.at(-1)?.through ?? applied) > applied) known.pop();
    let sequence = known.at(-1)?.sequence ?? 0;
    let reached = applied;
    const taken: Stretch[] = [];
    for (let count = 0; count < reports && taken.length < MESSAGES_AT_ONCE;) {
      const message = await session.manager.direct.getMessage(this.stream.name, {
        seq: sequence + 1,
        next_by_subj: this.subjectOf(partition),
      });
      const head = message === null ? undefined : readHead(message.header);
      const joins = head !== undefined && head.after <= reached;
      if (!joins && taken.length === 0 && !(await this.stillHas(session, partition, known.at(-1)))) {
        known.length = 0;
        sequence = 0;
        continue;
      }
      if (message === null || head === undefined) break;
      const { after, through } = head;
      // Something is missing here. What comes before is good.
      if (!joins && taken.length > 0) break;
      if (through > reached) {
        taken.push({ partition, after, through, reports: readReports(message.data) });
        count += taken.at(-1)?.reports.length ?? 0;
        reached = through;
      }
      sequence = message.seq;
      known.push({ sequence, through: reached });
    }
    return taken;
  }

  /** They are not in this database; {@link acknowledge} removes them. */
  forget(_partition: number, _through: number, _manager: EntityManager): Promise<void> {
    return Promise.resolve();
  }

  async acknowledge(partition: number, through: number): Promise<void> {
    const { session, handed } = await this.connected();
    const known = handed[partition] as Handed[];
    // The last one that is applied stays: the next one joins it.
    const applied = known.findLastIndex((message) => message.through <= through);
    if (applied < REMOVED_AT_ONCE) return;
    known.splice(0, applied);
    await session.manager.streams.purge(this.stream.name, {
      filter: this.subjectOf(partition),
      seq: (known[0] as Handed).sequence,
    });
  }

  arrival(partitions: readonly number[], signal: AbortSignal): Promise<void> {
    return this.arrivals.wait(partitions, signal);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    this.arrivals.close();
    const broker = await this.broker?.catch(() => undefined);
    await broker?.session.connection.close();
  }

  /** Publishes one message after the other, each on the condition that it joins. @returns how far the bus has the part then */
  private async publishPart(
    { client }: NatsSession,
    place: Place,
    stretches: readonly Stretch[],
  ): Promise<Place> {
    let { through: reached, sequence } = place;
    for (const stretch of stretches) {
      const { partition, after } = stretch;
      if (stretch.through <= reached) continue;
      if (after > reached)
        throw new Error(`Behind ${reached} nothing can be published that begins after ${after}`);
      for (const { body, ...span } of piecesBeyond(stretch, reached)) {
        const { seq } = await client.publish(this.subjectOf(partition), body, {
          headers: writeHead({ ...span, since: place.since }),
          expect: { lastSubjectSequence: sequence, streamName: this.stream.name },
        });
        sequence = seq;
        reached = span.through;
      }
    }
    return { through: reached, since: place.since, sequence };
  }

  /**
   * Whether what was handed out last is still there. It is not removed before the next one is applied; so without it the broker's
   * stream was emptied, or is another one, whose numbers begin again.
   */
  private async stillHas(
    { manager }: NatsSession,
    partition: number,
    last: Handed | undefined,
  ): Promise<boolean> {
    if (last === undefined) return true;
    const found = await manager.direct.getMessage(this.stream.name, { seq: last.sequence });
    // In another stream something else may have the number. If it tells of no more than what was handed out, nothing was missed.
    return found?.subject === this.subjectOf(partition) && readHead(found.header).through <= last.through;
  }

  /** How far the bus has a part without a hole from what is applied on. What does not join that is removed. */
  private async findPlace(
    { manager }: NatsSession,
    partition: number,
    applied: number,
    isLost: boolean,
  ): Promise<Place> {
    const { name } = this.stream;
    const subject = this.subjectOf(partition);
    // Not by a direct get: in a cluster a server may answer which is behind.
    const last = await manager.streams.getMessage(name, { last_by_subj: subject });
    if (last === null) return { through: applied, since: applied, sequence: 0 };
    const { since, through } = readHead(last.header);
    if (through <= applied) return { through: applied, since: applied, sequence: last.seq };
    const first = await manager.direct.getMessage(name, { seq: 1, next_by_subj: subject });
    // A hole between the two is seen only by whoever reads them all.
    if (!isLost && first !== null && since <= applied && readHead(first.header).after <= applied)
      return { through, since, sequence: last.seq };
    await manager.streams.purge(name, { filter: subject });
    return { through: applied, since: applied, sequence: 0 };
  }

  private connected(): Promise<Broker> {
    if (this.isClosed) return Promise.reject(new Error('The bus is closed'));
    if (this.broker !== undefined) return this.broker;
    const opening = this.connect();
    this.broker = opening;
    // Whoever needs the broker next connects again. Why it failed, or broke, is told to those who needed it now.
    const forget = () => {
      if (this.broker === opening) this.broker = undefined;
      this.arrivals.note(ALL_PARTS);
    };
    void opening.then(({ session }) => session.connection.closed()).then(forget, forget);
    return opening;
  }

  private async connect(): Promise<Broker> {
    const session = await openSession(this.url);
    try {
      await ensureStream(session, this.stream);
      session.connection.subscribe(`${this.wakePrefix}.*`, {
        callback: (_error, { subject }) => this.arrivals.note([Number(subject.split('.').at(-1))]),
      });
      this.arrivals.note(ALL_PARTS);
      return { session, places: undefined, handed: ALL_PARTS.map(() => []) };
    } catch (error) {
      await session.connection.close();
      throw error;
    }
  }

  private subjectOf(partition: number): string {
    return `${this.stream.prefix}.${partition}`;
  }

  /** Not below the prefix, or the stream would keep these, too. */
  private get wakePrefix(): string {
    return `daybook.arrivals.${this.stream.name}`;
  }
}
