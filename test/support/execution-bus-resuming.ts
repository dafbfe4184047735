import { type Bench, ENOUGH, NOTHING_APPLIED, persistently, receiving, soon } from './execution-bus-bench.js';
import { consume, everyPart, sequencesOf, stretchOf } from './execution-stretches.js';
import { waitFor } from './wait-for.js';

/*
 * The part of the conformance suite of execution buses that tells how they begin again.
 */

export function describeResuming(bench: Bench): void {
  const places = everyPart(0).map((_, part) => 100 + 10 * part);

  it('begins at what is applied when it has nothing', async () => {
    const bus = await bench.open();
    expect(await bus.resumeAfter(NOTHING_APPLIED)).toBe(0);
    expect(await bus.resumeAfter(places)).toBe(100);
  });

  it('needs no part again that it has', async () => {
    const publisher = await receiving(bench);
    await publisher.publish(everyPart(0).map((_, part) => stretchOf(part, 0, 50)));
    await publisher.publish(everyPart(0).map((_, part) => stretchOf(part, 50, 80 + part)));
    for (const bus of [publisher, await bench.open()]) {
      expect(await bus.resumeAfter(NOTHING_APPLIED)).toBe(80);
      // Nothing that is applied is needed again either, whether the bus still has it or not.
      expect(await bus.resumeAfter(everyPart(83))).toBe(83);
      expect(await bus.resumeAfter(places)).toBe(100);
    }
  });

  it('needs the part again of which it has the least', async () => {
    const publisher = await receiving(bench);
    await publisher.publish(everyPart(0).map((_, part) => stretchOf(part, 0, part === 5 ? 20 : 90)));
    const bus = await bench.open();
    expect(await bus.resumeAfter(NOTHING_APPLIED)).toBe(20);
    expect(await bus.resumeAfter(everyPart(0).with(5, 60))).toBe(60);
  });

  it('goes on from there: the rest joins, and nothing is missing', async () => {
    const first = await receiving(bench);
    await first.publish(everyPart(0).map((_, part) => stretchOf(part, 0, 60 + part)));
    const applied = everyPart(0).with(2, 40).with(3, 63);
    const second = await bench.open();
    const from = await second.resumeAfter(applied);
    await second.publish(everyPart(0).map((_, part) => stretchOf(part, from, 200)));
    for (const [part, start] of applied.entries()) {
      const { seen } = await bench.drain(second, part, start, 30);
      expect(seen).toEqual(sequencesOf([stretchOf(part, start, 200)]));
    }
  });
}

export function describeHoles(bench: Bench): void {
  it('does not count on what does not join what is applied', async () => {
    const ahead = await receiving(bench, everyPart(50));
    await ahead.publish(everyPart(0).map((_, part) => stretchOf(part, 50, 90)));
    // The database was restored from a backup: it is behind what the bus begins with.
    const bus = await bench.open();
    const applied = everyPart(70).with(1, 20);
    expect(await bus.resumeAfter(applied)).toBe(20);
    await bus.publish(everyPart(0).map((_, part) => stretchOf(part, 20, 100)));
    for (const [part, start] of applied.entries()) {
      const { seen } = await bench.drain(bus, part, start, ENOUGH);
      expect(seen).toEqual(sequencesOf([stretchOf(part, start, 100)]));
    }
  });

  it('does not count on what lies behind a hole', async () => {
    const bus = await receiving(bench);
    await bus.publish(everyPart(0).map((_, part) => stretchOf(part, 0, 10)));
    expect(await bus.resumeAfter(everyPart(50))).toBe(50);
    await bus.publish(everyPart(0).map((_, part) => stretchOf(part, 50, 90)));
    // Again a backup.
    const from = await bus.resumeAfter(everyPart(5));
    expect(from).toBeGreaterThanOrEqual(5);
    expect(from).toBeLessThanOrEqual(10);
    await bus.publish(everyPart(0).map((_, part) => stretchOf(part, from, 100)));
    const { seen } = await bench.drain(bus, 3, 5, ENOUGH);
    expect(seen).toEqual(sequencesOf([stretchOf(3, 5, 100)]));
  });

  it('may be asked at any time, and changes nothing by that', async () => {
    const bus = await receiving(bench);
    await bus.publish(everyPart(0).map((_, part) => stretchOf(part, 0, 10)));
    expect(await bus.resumeAfter(NOTHING_APPLIED)).toBe(10);
    await bus.publish(everyPart(0).map((_, part) => stretchOf(part, 10, 20)));
    expect(await bus.resumeAfter(everyPart(5))).toBe(20);
    expect((await bench.drain(bus, 4, 0, ENOUGH)).seen).toEqual(sequencesOf([stretchOf(4, 0, 20)]));
  });
}

export function describeArrival(bench: Bench): void {
  it('wakes whoever waits for a part', async () => {
    const [publisher, consumer] = [await receiving(bench), await bench.open()];
    const signal = new AbortController().signal;
    for (let after = 0; after < 30; after += 10) {
      const arrival = consumer.arrival([6, 7], signal);
      await publisher.publish([stretchOf(7, after, after + 10)]);
      await soon('an arrival', arrival);
      await waitFor('what has arrived', async () => (await consumer.take(7, after, ENOUGH)).length > 0);
    }
  });

  it('does not forget what arrived before anybody waited', async () => {
    const [publisher, consumer] = [await receiving(bench), await bench.open()];
    expect(await consumer.take(0, 0, ENOUGH)).toEqual([]);
    await publisher.publish([stretchOf(0, 0, 10)]);
    await soon('an arrival', consumer.arrival([0], new AbortController().signal));
    expect(consume(await consumer.take(0, 0, ENOUGH), 0).through).toBe(10);
  });

  it('lets go of whoever waits when it is told to, and when it is closed', async () => {
    const bus = await bench.open();
    const stop = new AbortController();
    const waiting = bus.arrival([0], stop.signal);
    stop.abort();
    await soon('the end of waiting', waiting);
    await soon('the end of waiting that was over before', bus.arrival([0], stop.signal));
    const last = bus.arrival([0, 1], new AbortController().signal);
    await bus.close?.();
    await soon('the end of waiting at the end', last);
  });
}

export function describeCrash(bench: Bench): void {
  it('has everything that it has said was safe after a crash', async () => {
    const publisher = await receiving(bench);
    await publisher.publish(everyPart(0).map((_, part) => stretchOf(part, 0, 500 + part)));
    await bench.made().crash?.();
    const bus = await bench.open();
    expect(await bus.resumeAfter(NOTHING_APPLIED)).toBe(500);
    const { seen } = await bench.drain(bus, 7, 0, 100);
    expect(seen).toEqual(sequencesOf([stretchOf(7, 0, 507)]));
  });

  it('wants to resume after a crash, and then goes on', async () => {
    const [publisher, consumer] = [await receiving(bench), await bench.open()];
    await publisher.publish(everyPart(0).map((_, part) => stretchOf(part, 0, 50)));
    expect((await bench.drain(consumer, 1, 0, 100)).through).toBe(50);
    await bench.made().crash?.();
    const from = await persistently(() => publisher.resumeAfter(NOTHING_APPLIED));
    expect(from).toBe(50);
    await publisher.publish(everyPart(0).map((_, part) => stretchOf(part, 50, 70)));
    const { seen } = await persistently(() => bench.drain(consumer, 1, 50, 100));
    expect(seen).toEqual(sequencesOf([stretchOf(1, 50, 70)]));
  });
}

export function describeLostDisk(bench: Bench): void {
  it('has everything sent again when it lost its disk', async () => {
    const [publisher, consumer] = [await receiving(bench), await bench.open()];
    await publisher.publish(everyPart(0).map((_, part) => stretchOf(part, 0, 50)));
    expect((await bench.drain(consumer, 1, 0, 100)).through).toBe(50);
    await bench.made().loseDisk?.();
    // Whatever it was, the next stretch would leave a hole.
    const next = everyPart(0).map((_, part) => stretchOf(part, 50, 60));
    await expect(publisher.publish(next)).rejects.toThrow();
    const applied = everyPart(0).with(1, 50);
    expect(await persistently(() => publisher.resumeAfter(applied))).toBe(0);
    await publisher.publish(everyPart(0).map((_, part) => stretchOf(part, 0, 60)));
    for (const [part, start] of applied.entries()) {
      const { seen } = await persistently(() => bench.drain(consumer, part, start, ENOUGH));
      expect(seen).toEqual(sequencesOf([stretchOf(part, start, 60)]));
    }
  });
}
