import { Injectable, Logger, type Type } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { Gauge as ProcessGauge, Registry } from 'prom-client';

import { DatabaseGauges, type GaugeReading, type ReadsGauges } from '@daybook/platform';

import { BadGaugeDeclaration, GaugeReaders } from './gauge-readers.js';
import { Metrics } from './metrics.js';

const { jest } = import.meta;

const TREES = { name: 'daybook_trees', help: 'How many trees there are.', labels: ['kind'] };
const RAIN = { name: 'daybook_rain_millimetres', help: 'How much it has rained.' };

let trees: () => Promise<GaugeReading[]>;

@Injectable()
@DatabaseGauges(TREES)
class TreeGauges implements ReadsGauges {
  read() {
    return trees();
  }
}

@Injectable()
@DatabaseGauges(RAIN)
class RainGauge implements ReadsGauges {
  async read() {
    return [{ gauge: RAIN, value: 12.5 }];
  }
}

/** Reads something, but says nothing of it. */
@Injectable()
class Bystander implements ReadsGauges {
  read(): Promise<never> {
    return Promise.reject(new Error('Nobody should ask me'));
  }
}

/** A module with these providers, as Nest makes it. */
async function start(...providers: Type[]) {
  const registry = new Registry();
  new ProcessGauge({
    name: 'daybook_sun',
    help: 'What this process knows by itself.',
    registers: [registry],
  });
  const module = await Test.createTestingModule({
    imports: [DiscoveryModule],
    providers: [GaugeReaders, Metrics, { provide: Registry, useValue: registry }, ...providers],
  }).compile();
  await module.init();
  return { metrics: module.get(Metrics), readers: module.get(GaugeReaders) };
}

const linesOf = async (metrics: Metrics) => (await metrics.toPrometheus()).split('\n');
const ours = (lines: readonly string[]) => lines.filter((line) => /^(# \w+ )?daybook_/.test(line));

beforeEach(() => {
  trees = async () => [
    { gauge: TREES, labels: { kind: 'oak' }, value: 3 },
    { gauge: TREES, labels: { kind: 'ash' }, value: 0 },
  ];
});
afterEach(() => {
  jest.restoreAllMocks();
});

describe('the metrics', () => {
  it('have the gauges that the modules declare, beside those of the process', async () => {
    const { metrics } = await start(TreeGauges, RainGauge, Bystander);
    const lines = await linesOf(metrics);
    expect(ours(lines)).toEqual([
      '# HELP daybook_sun What this process knows by itself.',
      '# TYPE daybook_sun gauge',
      'daybook_sun 0',
      '# HELP daybook_trees How many trees there are.',
      '# TYPE daybook_trees gauge',
      'daybook_trees{kind="oak"} 3',
      'daybook_trees{kind="ash"} 0',
      '# HELP daybook_rain_millimetres How much it has rained.',
      '# TYPE daybook_rain_millimetres gauge',
      'daybook_rain_millimetres 12.5',
      expect.stringMatching(/^# HELP daybook_gauge_readers_failed /),
      '# TYPE daybook_gauge_readers_failed gauge',
      'daybook_gauge_readers_failed 0',
    ]);
    expect(lines).toContain('# TYPE process_cpu_seconds_total counter');
    expect(lines).toContain('# TYPE nodejs_eventloop_lag_p99_seconds gauge');
  });

  it('do not remember what is gone', async () => {
    const { metrics } = await start(TreeGauges);
    await metrics.toPrometheus();
    trees = async () => [{ gauge: TREES, labels: { kind: 'ash' }, value: 1 }];
    const lines = await linesOf(metrics);
    expect(lines.filter((line) => line.startsWith('daybook_trees'))).toEqual(['daybook_trees{kind="ash"} 1']);
  });

  it('are told without what could not be read, which is counted and logged', async () => {
    const logged = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    const { metrics } = await start(TreeGauges, RainGauge);
    trees = () => Promise.reject(new Error('The forest is closed'));
    const lines = await linesOf(metrics);
    expect(lines.filter((line) => line.startsWith('daybook_'))).toEqual([
      'daybook_sun 0',
      'daybook_rain_millimetres 12.5',
      'daybook_gauge_readers_failed 1',
    ]);
    expect(lines).toContain('# TYPE process_cpu_seconds_total counter');
    expect(logged.mock.calls).toMatchObject([[{ reader: 'TreeGauges' }]]);
  });

  it('ask the database once for all who ask at the same time', async () => {
    const { metrics } = await start(TreeGauges);
    let reads = 0;
    const gate = Promise.withResolvers<GaugeReading[]>();
    trees = () => {
      reads += 1;
      return gate.promise;
    };
    const asked = [metrics.toPrometheus(), metrics.toPrometheus(), metrics.toPrometheus()];
    gate.resolve([{ gauge: TREES, labels: { kind: 'yew' }, value: 7 }]);
    for (const text of await Promise.all(asked)) expect(text).toContain('daybook_trees{kind="yew"} 7');
    expect(reads).toBe(1);
    await metrics.toPrometheus();
    expect(reads).toBe(2);
  });
});

describe('a gauge', () => {
  @Injectable()
  @DatabaseGauges(RAIN)
  class SecondRainGauge extends RainGauge {}

  @Injectable()
  @DatabaseGauges({ name: 'rain', help: 'Not one of ours.' })
  class ForeignGauge extends RainGauge {}

  @Injectable()
  @DatabaseGauges({ name: 'daybook_sun', help: 'Known to the process already.' })
  class SecondSunGauge extends RainGauge {}

  it.each<[what: string, complaint: string, providers: Type[]]>([
    [
      'of a name that another one has',
      'daybook_rain_millimetres is declared twice',
      [RainGauge, SecondRainGauge],
    ],
    ['of a name that the process uses itself', 'daybook_sun is declared twice', [SecondSunGauge]],
    [
      'of a name that is not one of ours',
      'The gauge rain needs a name that begins with daybook_',
      [ForeignGauge],
    ],
  ])('%s stops the start', async (_, complaint, providers) => {
    const starting = start(...providers);
    await expect(starting).rejects.toThrow(BadGaugeDeclaration);
    await expect(starting).rejects.toThrow(complaint);
  });
});
