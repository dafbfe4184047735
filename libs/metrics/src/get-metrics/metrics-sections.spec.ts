import { Injectable, type Type } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import type { EntityManager } from 'typeorm';

import { MetricsSection, type ReadsMetricsSection } from '@daybook/platform';

import { BadSectionDeclaration, MetricsSections } from './metrics-sections.js';

const SNAPSHOT = { name: 'the snapshot' } as unknown as EntityManager;

@Injectable()
@MetricsSection('trees')
class TreeMetrics implements ReadsMetricsSection {
  async readSection(manager: EntityManager) {
    return { oaks: 3, ashes: manager === SNAPSHOT ? 5 : 0 };
  }
}

@Injectable()
@MetricsSection('trees')
class OtherTreeMetrics extends TreeMetrics {}

@Injectable()
@MetricsSection('orders')
class ForeignMetrics extends TreeMetrics {}

async function start(...providers: Type[]): Promise<MetricsSections> {
  const module = await Test.createTestingModule({
    imports: [DiscoveryModule],
    providers: [MetricsSections, ...providers],
  }).compile();
  await module.init();
  return module.get(MetricsSections);
}

describe('the sections of the metrics', () => {
  it('are those that modules declare, read in the snapshot of all', async () => {
    const sections = await start(TreeMetrics);
    expect(await sections.read(SNAPSHOT)).toEqual({ trees: { oaks: 3, ashes: 5 } });
  });

  it.each<[what: string, section: string, providers: Type[]]>([
    ['of a name that another one has', 'trees', [TreeMetrics, OtherTreeMetrics]],
    ['of the name of one that is always there', 'orders', [ForeignMetrics]],
  ])('%s stop the start', async (_, section, providers) => {
    const starting = start(...providers);
    await expect(starting).rejects.toThrow(BadSectionDeclaration);
    await expect(starting).rejects.toThrow(`The section ${section} of the metrics is declared twice`);
  });
});
