import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';

import { Controller, Get, Logger, Module, Query, Res } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply } from 'fastify';

import { waitFor } from '../../../../test/support/wait-for.js';
import { NotFound } from '../errors/domain-error.js';
import { ProblemDetailsFilter } from '../errors/problem-details.js';
import { ServerAdapter } from './server-adapter.js';
import { StreamedAnswers } from './streamed-answers.js';

const CHUNK = Buffer.alloc(1_000_000, '.');
const CHUNKS = 200;
/** What kernels keep of a connection that nobody reads, and what is on its way in this process. */
const AHEAD_AT_MOST = 20;

let app: NestFastifyApplication;
let streams: StreamedAnswers;
let origin: string;
let made = 0;
let ended = 0;
const logged: { err: Error; requestId: string }[] = [];

/** Counts what is asked of it. */
async function* chunks(kind: string): AsyncGenerator<Buffer, void> {
  try {
    if (kind === 'missing') throw new NotFound('There is no such file.');
    for (let left = kind === 'short' ? 1 : CHUNKS; left > 0; left -= 1) {
      made += 1;
      yield CHUNK;
      if (kind === 'failing') throw new Error('The disk is gone');
    }
  } finally {
    ended += 1;
  }
}

@Controller()
class FilesController {
  @Get('file')
  file(
    @Query('kind') kind: string,
    @Query('caller') actor: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const file = { type: 'text/plain', name: 'dots.txt', chunks: chunks(kind) };
    return streams.send(reply, { actor, roles: [], requestId: 'request-7' }, file);
  }
}

@Module({ controllers: [FilesController] })
class FilesModule {}

async function start(limits?: ConstructorParameters<typeof StreamedAnswers>[0]): Promise<void> {
  streams = new StreamedAnswers(limits);
  app = await NestFactory.create(FilesModule, new ServerAdapter(new ProblemDetailsFilter()), {
    logger: false,
  });
  Logger.overrideLogger({ error: () => 0, log: () => 0, warn: (entry) => void logged.push(entry as never) });
  app.useGlobalFilters(new ProblemDetailsFilter());
  await app.listen(0, '127.0.0.1');
  origin = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`;
}

beforeEach(() => {
  made = 0;
  ended = 0;
  logged.splice(0);
});
afterEach(() => app.close());

const get = (kind: string, caller = 'alice') => fetch(`${origin}/file?kind=${kind}&caller=${caller}`);

/** A client that asks and then reads nothing. */
async function askWithoutReading(): Promise<Socket> {
  const socket = connect(Number(new URL(origin).port), '127.0.0.1').pause();
  await once(socket, 'connect');
  socket.write('GET /file?kind=long&caller=alice HTTP/1.1\r\nhost: localhost\r\n\r\n');
  await waitFor('the first chunk', () => made > 0);
  return socket;
}

describe('a streamed answer', () => {
  beforeEach(() => start());

  it('is made no faster than the client reads it', async () => {
    const { body } = await get('long');
    let received = 0;
    for await (const { length } of body as AsyncIterable<Uint8Array>) {
      received += length;
      expect(made - received / CHUNK.length).toBeLessThan(AHEAD_AT_MOST);
    }
    expect(received).toBe(CHUNKS * CHUNK.length);
    expect(made).toBe(CHUNKS);
  });

  it('is no longer made when the client leaves', async () => {
    const { body } = await get('long');
    const reader = (body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    await reader.cancel();
    await waitFor('its end', () => ended === 1);
    expect(made).toBeLessThan(AHEAD_AT_MOST);
    expect(logged).toEqual([]);
  });

  it('that fails before its first chunk is refused like anything else, and takes no place', async () => {
    for (let times = 0; times < 5; times += 1) {
      const answer = await get('missing');
      expect(answer.status).toBe(404);
      expect(await answer.json()).toMatchObject({ code: 'not_found', detail: 'There is no such file.' });
    }
  });

  it('that fails later breaks off, and the log says why', async () => {
    const answer = await get('failing');
    expect(answer.status).toBe(200);
    await expect(answer.arrayBuffer()).rejects.toThrow();
    expect(logged).toMatchObject([{ err: { message: 'The disk is gone' }, requestId: 'request-7' }]);
  });

  it('is sent to a few at a time, and to fewer of one caller', async () => {
    const open = await Promise.all([get('long'), get('long'), get('long')]);
    const fourth = await get('long');
    expect(fourth.status).toBe(503);
    expect(fourth.headers.get('retry-after')).toBe('1');
    expect(await fourth.json()).toMatchObject({
      code: 'overloaded',
      detail: '3 files are being sent to you. Try again when one of them is done.',
    });
    for (const caller of ['bob', 'bob', 'bob', 'carol', 'carol', 'carol', 'dave']) {
      open.push(await get('long', caller));
    }
    expect(open.map(({ status }) => status)).toEqual(open.map(() => 200));
    expect(await (await get('long', 'dave')).json()).toMatchObject({
      code: 'overloaded',
      detail: '10 files are being sent. Try again when one of them is done.',
    });
    for (const { body } of open) await body?.cancel();
    await waitFor('their ends', () => ended === open.length);
    expect((await get('short')).status).toBe(200);
  });

  it('is cut off when the server stops, and there are no new ones', async () => {
    const { body } = await get('long');
    streams.cutOff();
    await expect(new Response(body).arrayBuffer()).rejects.toThrow();
    await waitFor('its end', () => ended === 1);
    expect(await (await get('short')).json()).toMatchObject({
      code: 'overloaded',
      detail: 'The server is stopping.',
    });
  });
});

describe('a client that takes nothing', () => {
  it('is given up after a while', async () => {
    await start({ atOnce: 1, perCaller: 1, stallMs: 200 });
    const socket = await askWithoutReading();
    await waitFor('the end', () => ended === 1);
    expect(made).toBeLessThan(AHEAD_AT_MOST);
    expect((await get('short')).status).toBe(200);
    socket.destroy();
  });
});
