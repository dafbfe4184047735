import { Injectable } from '@nestjs/common';
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';

import type { GaugeReading } from '@daybook/platform';

import { GaugeReaders } from './gauge-readers.js';

/** All metrics as Prometheus reads them: of this process, and those that the database knows. */
@Injectable()
export class Metrics {
  constructor(
    private readonly gauges: GaugeReaders,
    private readonly ofProcess: Registry,
  ) {
    // Memory, processor time, event loop and garbage collection, under the names that dashboards know.
    collectDefaultMetrics({ register: ofProcess });
  }

  async toPrometheus(): Promise<string> {
    const { readings, failures } = await this.gauges.readAll();
    const ofDatabase = registryOf([
      ...readings,
      {
        gauge: {
          name: 'daybook_gauge_readers_failed',
          help: 'How many readers of gauges failed this time; what they read is missing here.',
        },
        value: failures,
      },
    ]);
    return Registry.merge([this.ofProcess, ofDatabase]).metrics();
  }
}

/** Made anew each time, so that what has gone from the database, or could not be read, is not told from memory. */
function registryOf(readings: readonly GaugeReading[]): Registry {
  const registry = new Registry();
  for (const [{ name, help, labels = [] }, ofGauge] of Map.groupBy(readings, ({ gauge }) => gauge)) {
    const gauge = new Gauge({ name, help, labelNames: labels, registers: [registry] });
    for (const reading of ofGauge) gauge.set(reading.labels ?? {}, reading.value);
  }
  return registry;
}
