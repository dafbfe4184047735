import { parseArgs } from 'node:util';

export const SECTIONS = ['daybook', 'nest-typeorm', 'pgbench', 'hot-product'] as const;
export type Section = (typeof SECTIONS)[number];

export interface PlacementOptions {
  rounds: number;
  seconds: number;
  connections: number[];
  only: Section[];
  databaseUrl: string | undefined;
}

export const USAGE = `Usage: npm run bench:placement -- [options]

  --rounds 3                       rounds, of which the median is quoted
  --seconds 4                      length of each measurement
  --connections 1,16,64,256,1000
  --only daybook,pgbench           some of: ${SECTIONS.join(', ')}
  --database-url postgres://…      a superuser of a server to use instead of starting one`;

export function readOptions(): PlacementOptions | undefined {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '4' },
      connections: { type: 'string', default: '1,16,64,256,1000' },
      only: { type: 'string', default: SECTIONS.join() },
      'database-url': { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  return {
    rounds: wholeNumber('rounds', values.rounds),
    seconds: wholeNumber('seconds', values.seconds),
    connections: values.connections.split(',').map((text) => wholeNumber('connections', text)),
    only: values.only.split(',').map(section),
    databaseUrl: values['database-url'],
  };
}

function section(text: string): Section {
  const known = SECTIONS.find((name) => name === text.trim());
  if (known === undefined) throw new Error(`--only takes some of ${SECTIONS.join(', ')}, not "${text}"`);
  return known;
}

function wholeNumber(name: string, text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1)
    throw new Error(`--${name} takes whole numbers from 1, not "${text}"`);
  return number;
}
