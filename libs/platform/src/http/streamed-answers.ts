import { Readable } from 'node:stream';

import { Injectable, Logger, StreamableFile } from '@nestjs/common';
import type { FastifyReply } from 'fastify';

import { Overloaded } from '../errors/domain-error.js';
import type { RequestContext } from './request-context.js';

/** A file that is made while it is sent. */
export interface StreamedFile {
  /** Its media type, as a header has it. */
  readonly type: string;
  readonly name: string;
  /** The next one is asked for while one is on its way to the client, and never the one after that. */
  readonly chunks: AsyncGenerator<Buffer, void>;
}

/** One answer on its way. */
interface Sending {
  readonly caller: string;
  /** Undefined until the first chunk is there. */
  cutOff?: (reason: Error) => void;
}

const LIMITS = {
  /** In this process. Each holds two chunks in memory, and works as fast as its client reads. */
  atOnce: 10,
  perCaller: 3,
  /** A client that takes nothing for so long is given up. */
  stallMs: 60_000,
};

const TRY_LATER = 'Try again when one of them is done.';

/**
 * Answers that are made while they are sent, and may take minutes: few at a time, never ahead of the client by more than
 * a chunk, and never so that half of one could be taken for all of it.
 */
@Injectable()
export class StreamedAnswers {
  private readonly logger = new Logger('Streams');
  private readonly sending = new Set<Sending>();
  private isStopping = false;

  constructor(private readonly limits = LIMITS) {}

  /**
   * What goes wrong before the first chunk is thrown, and answered like any refusal. What goes wrong later resets the
   * connection: a mere end would look complete to a client that reads to the end of the connection, as HTTP/1.0 has it.
   * @throws {Overloaded} when as many are on their way as may be
   */
  async send(reply: FastifyReply, context: RequestContext, file: StreamedFile): Promise<StreamableFile> {
    const answer = this.admit(context.actor);
    try {
      const first = await file.chunks.next();
      // It may have begun to stop meanwhile.
      this.refuseWhenStopping();
      // More than nothing is enough, so that it does not ask for another before the client wants this one.
      const body = Readable.from(following(first, file.chunks), { objectMode: false, highWaterMark: 1 });
      // The connection first: to end the body may take until a statement has ended.
      answer.cutOff = (reason) => {
        reply.raw.socket?.resetAndDestroy();
        body.destroy(reason);
      };
      body.once('close', () => this.sending.delete(answer));
      body.once('error', (error) => {
        const { requestId } = context;
        this.logger.warn({ err: error, requestId, file: file.name, message: 'A file was cut off' });
        reply.raw.socket?.resetAndDestroy();
      });
      // Without a listener of ours, Node closes the connection.
      reply.raw.socket?.setTimeout(this.limits.stallMs);
      return new StreamableFile(body, {
        type: file.type,
        disposition: `attachment; filename="${file.name}"`,
      });
    } catch (error) {
      this.sending.delete(answer);
      throw error;
    }
  }

  /** Ends the answers that are on their way, as failed ones; from now on there are no new ones. */
  cutOff(): void {
    this.isStopping = true;
    for (const { cutOff } of this.sending) cutOff?.(new Error('The server is stopping'));
  }

  private admit(caller: string): Sending {
    this.refuseWhenStopping();
    const { atOnce, perCaller } = this.limits;
    const ofCaller = [...this.sending].filter((answer) => answer.caller === caller).length;
    if (ofCaller >= perCaller) throw new Overloaded(`${ofCaller} files are being sent to you. ${TRY_LATER}`);
    if (this.sending.size >= atOnce) throw new Overloaded(`${atOnce} files are being sent. ${TRY_LATER}`);
    const answer: Sending = { caller };
    this.sending.add(answer);
    return answer;
  }

  private refuseWhenStopping(): void {
    if (this.isStopping) throw new Overloaded('The server is stopping.');
  }
}

async function* following<T>(
  first: IteratorResult<T, void>,
  rest: AsyncGenerator<T, void>,
): AsyncGenerator<T, void> {
  if (first.done === true) return;
  yield first.value;
  yield* rest;
}
