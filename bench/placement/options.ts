import { readOptions } from '../support/options.ts';

const SECTIONS = ['daybook', 'nest-typeorm', 'pgbench', 'hot-product'] as const;
export type Section = (typeof SECTIONS)[number];

export interface PlacementOptions {
  rounds: number;
  seconds: number;
  connections: number[];
  only: Section[];
  databaseUrl: string | undefined;
}

/** @returns undefined when only help was asked for */
export function readPlacementOptions(): PlacementOptions | undefined {
  const options = readOptions({
    rounds: { default: '3', help: 'rounds, of which the median is quoted' },
    seconds: { default: '4', help: 'length of each measurement' },
    connections: { default: '1,16,64,256,1000', help: 'each measured in every round' },
    only: { default: SECTIONS.join(), help: 'what to measure' },
  });
  return (
    options && {
      rounds: options.wholeNumber('rounds'),
      seconds: options.wholeNumber('seconds'),
      connections: options.wholeNumbers('connections'),
      only: options.list('only').map(section),
      databaseUrl: options.databaseUrl,
    }
  );
}

function section(text: string): Section {
  const known = SECTIONS.find((name) => name === text);
  if (known === undefined) throw new Error(`--only takes some of ${SECTIONS.join(', ')}, not "${text}"`);
  return known;
}
