import { SetMetadata, type Type } from '@nestjs/common';
import type { Reflector } from '@nestjs/core';
import type { EntityManager } from 'typeorm';

const SECTION = Symbol('section of the metrics');

export interface ReadsMetricsSection {
  /**
   * Figures by name, in lower camel case, as GET /api/v1/metrics shows them. Reads in the snapshot that the other
   * sections are read in, and cheaply.
   */
  readSection(manager: EntityManager): Promise<Readonly<Record<string, number>>>;
}

/** Declares a provider that reads one section of GET /api/v1/metrics, see {@link ReadsMetricsSection}. */
export const MetricsSection = (name: string) => SetMetadata(SECTION, name);

/** The section that a class declares, undefined when it declares none. */
export function declaredSection(reflector: Reflector, type: Type): string | undefined {
  return reflector.get<string | undefined>(SECTION, type);
}
