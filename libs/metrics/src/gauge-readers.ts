import { Injectable, Logger, type OnModuleInit, type Type } from '@nestjs/common';
import { DiscoveryService, Reflector } from '@nestjs/core';

import { declaredGauges, type Gauge, type GaugeReading, type ReadsGauges } from '@daybook/platform';

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
  ) {}

  onModuleInit(): void {
    const found = this.discovery.getProviders().flatMap(({ metatype, instance }) => {
      if (typeof metatype !== 'function' || !instance) return [];
      const gauges = declaredGauges(this.reflector, metatype as Type);
      return gauges ? [{ gauges, reader: instance as ReadsGauges }] : [];
    });
    checkNames(found.flatMap(({ gauges }) => gauges));
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
    let failures = 0;
    for (const reader of this.readers) {
      try {
        readings.push(...(await reader.read()));
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

function checkNames(gauges: readonly Gauge[]): void {
  const seen = new Set<string>();
  for (const { name } of gauges) {
    if (!NAME.test(name)) throw new BadGaugeDeclaration(name, 'needs a name that begins with daybook_');
    if (seen.has(name)) throw new BadGaugeDeclaration(name, 'is declared twice');
    seen.add(name);
  }
}
