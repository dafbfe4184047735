import { Injectable, Logger, type OnModuleInit, type Type } from '@nestjs/common';
import { DiscoveryService, Reflector } from '@nestjs/core';
import { Registry } from 'prom-client';

import { declaredGauges, type Gauge, type GaugeReading, type ReadsGauges } from '@daybook/platform';

// Less than Prometheus waits for the whole answer. When no connection is free, what the process itself knows matters most.
const PATIENCE_MS = 3_000;
const NAME = /^daybook_[a-z0-9]+(_[a-z0-9]+)*$/;

/** Thrown at start: of two gauges with one name nobody could tell which is which. */
export class BadGaugeDeclaration extends Error {
  constructor(gauge: string, complaint: string) {
    super(`The gauge ${gauge} ${complaint}`);
    this.name = 'BadGaugeDeclaration';
  }
}

/** What all modules have read from the database. */
export interface Readings {
  readonly readings: readonly GaugeReading[];
  /** How many readers failed; their gauges are missing. */
  readonly failures: number;
}

/** Finds the gauges of all modules and reads them. @throws {BadGaugeDeclaration} at start */
@Injectable()
export class GaugeReaders implements OnModuleInit {
  private readonly logger = new Logger('Metrics');
  private readers: readonly ReadsGauges[] = [];
  private underWay: Promise<Readings> | undefined;

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly reflector: Reflector,
    private readonly ofProcess: Registry,
  ) {}

  onModuleInit(): void {
    const found = this.discovery.getProviders().flatMap(({ metatype, instance }) => {
      if (typeof metatype !== 'function' || !instance) return [];
      const gauges = declaredGauges(this.reflector, metatype as Type);
      return gauges ? [{ gauges, reader: instance as ReadsGauges }] : [];
    });
    checkNames(
      found.flatMap(({ gauges }) => gauges),
      this.ofProcess,
    );
    this.readers = found.map(({ reader }) => reader);
  }

  /** However many ask at once, the database is asked once. */
  readAll(): Promise<Readings> {
    this.underWay ??= this.readOneByOne().finally(() => (this.underWay = undefined));
    return this.underWay;
  }

  /** One after the other: metrics never take more than one connection from the orders. */
  private async readOneByOne(): Promise<Readings> {
    const readings: GaugeReading[] = [];
    const patience = AbortSignal.timeout(PATIENCE_MS);
    let failures = 0;
    for (const reader of this.readers) {
      try {
        readings.push(...(await readWhile(patience, reader)));
      } catch (error) {
        failures += 1;
        this.logger.warn({
          err: error,
          reader: reader.constructor.name,
          message: 'Gauges could not be read',
        });
      }
    }
    return { readings, failures };
  }
}

/** The readings of a reader, unless patience ends before; then it is not even asked. */
async function readWhile(patience: AbortSignal, reader: ReadsGauges): Promise<readonly GaugeReading[]> {
  patience.throwIfAborted();
  const impatience = Promise.withResolvers<never>();
  const giveUp = () => impatience.reject(patience.reason);
  patience.addEventListener('abort', giveUp);
  try {
    return await Promise.race([reader.read(), impatience.promise]);
  } finally {
    patience.removeEventListener('abort', giveUp);
  }
}

function checkNames(gauges: readonly Gauge[], taken: Registry): void {
  const seen = new Set<string>();
  for (const { name } of gauges) {
    if (!NAME.test(name)) throw new BadGaugeDeclaration(name, 'needs a name that begins with daybook_');
    if (seen.has(name) || taken.getSingleMetric(name) !== undefined)
      throw new BadGaugeDeclaration(name, 'is declared twice');
    seen.add(name);
  }
}
