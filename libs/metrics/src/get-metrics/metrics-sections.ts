import { Injectable, type OnModuleInit, type Type } from '@nestjs/common';
import { DiscoveryService, Reflector } from '@nestjs/core';
import type { EntityManager } from 'typeorm';

import { declaredSection, type ReadsMetricsSection } from '@daybook/platform';

const OURS = ['asOf', 'businessDay', 'orders', 'processing'];

/** Thrown at start: one of two sections with one name would never be seen. */
export class BadSectionDeclaration extends Error {
  constructor(section: string) {
    super(`The section ${section} of the metrics is declared twice`);
    this.name = 'BadSectionDeclaration';
  }
}

/** Finds the sections that other modules add to the metrics. @throws {BadSectionDeclaration} at start */
@Injectable()
export class MetricsSections implements OnModuleInit {
  private readers: ReadonlyMap<string, ReadsMetricsSection> = new Map();

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly reflector: Reflector,
  ) {}

  onModuleInit(): void {
    const found = new Map<string, ReadsMetricsSection>();
    for (const { metatype, instance } of this.discovery.getProviders()) {
      if (typeof metatype !== 'function' || !instance) continue;
      const section = declaredSection(this.reflector, metatype as Type);
      if (section === undefined) continue;
      if (OURS.includes(section) || found.has(section)) throw new BadSectionDeclaration(section);
      found.set(section, instance as ReadsMetricsSection);
    }
    this.readers = found;
  }

  async read(manager: EntityManager): Promise<Readonly<Record<string, Readonly<Record<string, number>>>>> {
    const sections: Record<string, Readonly<Record<string, number>>> = {};
    for (const [section, reader] of this.readers) sections[section] = await reader.readSection(manager);
    return sections;
  }
}
