import { SetMetadata, type Type } from '@nestjs/common';
import type { Reflector } from '@nestjs/core';

const GAUGES = Symbol('gauges that are read from the database');

/** A figure that operators watch. */
export interface Gauge {
  /** Begins with `daybook_` and ends with its unit, if it has one: `daybook_job_last_duration_seconds`. */
  readonly name: string;
  /** What it tells, in a sentence. */
  readonly help: string;
  /** What its values are told apart by; few values each, and never anything that a client can make up. */
  readonly labels?: readonly string[];
}

export interface GaugeReading {
  readonly gauge: Gauge;
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface ReadsGauges {
  /**
   * Asks the database, each time somebody asks for the metrics: every few seconds, in every process. So it must be
   * cheap. What it throws is logged, and its gauges are missing from that answer.
   */
  read(): Promise<readonly GaugeReading[]>;
}

/**
 * Declares a provider that reads these gauges, see {@link ReadsGauges}. What lies in the database is read from there
 * and not counted on the way: so every process tells the same, and a restart forgets nothing.
 */
export const DatabaseGauges = (...gauges: [Gauge, ...Gauge[]]) => SetMetadata(GAUGES, gauges);

/** The gauges that a class declares, undefined when it declares none. */
export function declaredGauges(reflector: Reflector, type: Type): readonly Gauge[] | undefined {
  return reflector.get<readonly Gauge[] | undefined>(GAUGES, type);
}
