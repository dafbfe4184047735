import { Injectable, Scope, type Type } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import fc from 'fast-check';

import { CONFIG, type DaybookConfig } from '../config/config.js';
import { BadJobDeclaration, DeclaredJobs } from './declared-jobs.js';
import { type CronJob, type IntervalJob, type RunsJob, ScheduledJob } from './scheduled-job.js';

const GOOD: CronJob = {
  name: 'water-trees',
  cron: '30 3 * * *',
  leaseSeconds: 60,
  description: 'Waters.',
};

/** The class of a job that is declared like this. */
function job(declaration: Partial<CronJob> = {}): Type {
  @Injectable()
  @ScheduledJob({ ...GOOD, ...declaration })
  class Gardener implements RunsJob {
    async run(): Promise<void> {}
  }
  return Gardener;
}

/** The class of one that runs at intervals. */
function jobEvery(everySeconds: IntervalJob['everySeconds']): Type {
  @Injectable()
  @ScheduledJob({ name: 'rake-leaves', everySeconds, leaseSeconds: 60, description: 'Rakes.' })
  class Raker implements RunsJob {
    async run(): Promise<void> {}
  }
  return Raker;
}

@Injectable()
@ScheduledJob(GOOD)
class Idler {}

@Injectable({ scope: Scope.REQUEST })
@ScheduledJob(GOOD)
class Visitor implements RunsJob {
  async run(): Promise<void> {}
}

/** What is found in a module with these providers, as Nest makes it. */
async function startWith(
  providers: readonly Type[],
  config: Partial<DaybookConfig> = { businessTimezone: 'UTC' },
): Promise<DeclaredJobs> {
  const module = await Test.createTestingModule({
    imports: [DiscoveryModule],
    providers: [DeclaredJobs, ...providers, { provide: CONFIG, useValue: config }],
  }).compile();
  await module.init();
  return module.get(DeclaredJobs);
}

async function nextTick(cron: string, timezone: string, after: string): Promise<string | undefined> {
  const jobs = await startWith([job({ cron })], { businessTimezone: timezone });
  return jobs.find(GOOD.name)?.schedule.nextTickAfter(new Date(after)).toISOString();
}

describe('the jobs of all modules', () => {
  it('are found and sorted by name, whatever else there is', async () => {
    @Injectable()
    class Bystander implements RunsJob {
      async run(): Promise<void> {}
    }
    const jobs = await startWith([job(), Bystander, job({ name: 'cut-trees' })]);
    expect(jobs.names).toEqual(['cut-trees', 'water-trees']);
    expect(jobs.all).toMatchObject([
      { name: 'cut-trees' },
      { name: GOOD.name, schedule: { text: GOOD.cron } },
    ]);
    expect(jobs.find('water-trees')).toBe(jobs.all[1]);
    expect(jobs.find('plant-trees')).toBeUndefined();
  });

  it.each<[what: string, complaint: string, providers: Type[]]>([
    ['of the same name', 'water-trees is declared twice', [job(), job({ cron: '* * * * *' })]],
    ['without a name', 'needs a name of lower-case words', [job({ name: '' })]],
    ['with a name that fits no URL', 'needs a name of lower-case words', [job({ name: 'Water trees' })]],
    ['with a schedule of nonsense', 'cannot run by "often"', [job({ cron: 'often' })]],
    ['with too few fields', 'cannot run by "3 * *"', [job({ cron: '3 * *' })]],
    ['with an hour that no day has', 'cannot run by "0 24 * * *"', [job({ cron: '0 24 * * *' })]],
    ['with a day that never comes', 'cannot run by "0 0 30 2 *"', [job({ cron: '0 0 30 2 *' })]],
    ['at intervals of nothing', 'cannot run by "0"', [jobEvery(() => 0)]],
    ['at intervals of more than a day', 'cannot run by "86401"', [jobEvery(() => 86_401)]],
    ['at intervals of half seconds', 'cannot run by "1.5"', [jobEvery(() => 1.5)]],
    ['with a lease shorter than a batch', 'needs a lease of 30 to 3600', [job({ leaseSeconds: 29 })]],
    ['with a lease that never ends', 'needs a lease of 30 to 3600', [job({ leaseSeconds: Infinity })]],
    ['with a lease that is no number', 'needs a lease of 30 to 3600', [job({ leaseSeconds: NaN })]],
    ['that say nothing of themselves', 'needs a description', [job({ description: ' ' })]],
    ['that do nothing', 'needs a method run', [Idler]],
    ['that come and go with requests', 'needs a provider that lives as long', [Visitor]],
  ])('stop the start when there are some %s', async (_, complaint, providers) => {
    const start = startWith(providers);
    await expect(start).rejects.toThrow(BadJobDeclaration);
    await expect(start).rejects.toThrow(complaint);
  });
});

describe('the next tick', () => {
  it.each([
    ['*/10 * * * *', 'UTC', '2026-11-20T12:03:00.000Z', '2026-11-20T12:10:00.000Z'],
    ['*/10 * * * *', 'UTC', '2026-11-20T12:10:00.000Z', '2026-11-20T12:20:00.000Z'],
    ['*/10 * * * *', 'UTC', '2026-11-20T12:09:59.999Z', '2026-11-20T12:10:00.000Z'],
    ['30 3 * * *', 'Pacific/Auckland', '2027-01-10T12:00:00.000Z', '2027-01-10T14:30:00.000Z'],
    ['*/15 * * * * *', 'UTC', '2026-12-31T23:59:46.000Z', '2027-01-01T00:00:00.000Z'],
    // The clocks go forward from 02:00 to 03:00: a tick between them comes at the end of the gap, once.
    ['30 2 * * *', 'Europe/Berlin', '2027-03-27T12:00:00.000Z', '2027-03-28T01:00:00.000Z'],
    ['30 2 * * *', 'Europe/Berlin', '2027-03-28T01:00:00.000Z', '2027-03-29T00:30:00.000Z'],
  ])('of %s in %s after %s is %s', async (cron, timezone, after, expected) => {
    expect(await nextTick(cron, timezone, after)).toBe(expected);
  });

  it.each([
    [1, 'every second', '2026-11-20T12:00:00.000Z', '2026-11-20T12:00:01.000Z'],
    [60, 'every 60 seconds', '2026-11-20T12:00:59.999Z', '2026-11-20T12:01:00.000Z'],
    [7, 'every 7 seconds', '1970-01-01T00:00:07.000Z', '1970-01-01T00:00:14.000Z'],
    [86_400, 'every 86400 seconds', '2026-12-31T23:59:59.000Z', '2027-01-01T00:00:00.000Z'],
  ])(
    'at intervals of %s s (%s) after %s is %s, whatever the zone',
    async (seconds, text, after, expected) => {
      const every = jobEvery(({ reportIntervalSeconds }) => reportIntervalSeconds);
      const config = { businessTimezone: 'Asia/Kathmandu', reportIntervalSeconds: seconds };
      const schedule = (await startWith([every], config)).find('rake-leaves')?.schedule;
      expect(schedule?.text).toBe(text);
      expect(schedule?.nextTickAfter(new Date(after)).toISOString()).toBe(expected);
    },
  );

  it('always lies ahead, in every zone, also while the clocks change: a job never runs in a circle', async () => {
    const zones = [
      'UTC',
      'Europe/Berlin',
      'America/St_Johns',
      'Pacific/Auckland',
      'Asia/Beirut',
      'Australia/Lord_Howe',
    ];
    const crons = [
      '* * * * *',
      '*/10 * * * *',
      '0 * * * *',
      '30 0 * * *',
      '30 2 * * *',
      '0 3 * * 0',
      '30 1 1 * *',
    ];
    for (const zone of zones) {
      const jobs = await startWith(
        crons.map((cron, n) => job({ name: `job-${n}`, cron })),
        { businessTimezone: zone },
      );
      const times = fc.date({
        min: new Date('2026-01-01'),
        max: new Date('2028-12-31'),
        noInvalidDate: true,
      });
      fc.assert(
        fc.property(times, fc.constantFrom(...jobs.all), (time, { schedule }) => {
          expect(schedule.nextTickAfter(time).getTime()).toBeGreaterThan(time.getTime());
        }),
        { numRuns: 300 },
      );
    }
  });
});
