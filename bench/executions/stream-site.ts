import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { daybookOn } from '../placement/http-contenders.ts';
import type { ChildServer } from '../support/child-server.ts';
import type { BenchDatabase } from '../support/database.ts';
import { owned } from '../support/lifetime.ts';
import { sum } from '../support/statistics.ts';
import { processorSeconds, processorSecondsOfTree } from './processor-time.ts';

const SIMULATOR = new URL('../../dist/apps/exchange-simulator/main.js', import.meta.url);
const LOOK_EVERY_MS = 50;
const QUANTITY_PER_FILL = 10;

/** Processor seconds by who used them. */
export interface ProcessorTime {
  readonly simulator: number;
  readonly receiver: number;
  readonly consumers: number;
  readonly postgres: number;
  /** The broker, where there is one. */
  readonly broker: number;
}

export interface Simulator {
  readonly url: string;
  readonly processId: number;
  flood(request: object): Promise<void>;
  stop(): Promise<void>;
}

/** A venue, the process that receives from it and those that apply, each as it is delivered. */
export interface StreamSite {
  readonly simulator: Simulator;
  readonly database: BenchDatabase;
  processorTime(): Promise<ProcessorTime>;
  stop(): Promise<void>;
}

export async function startSimulator(): Promise<Simulator> {
  const child = fork(SIMULATOR, {
    env: { PATH: process.env.PATH, EXCHANGE_SIMULATOR_PORT: '0' },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const exited = once(child, 'exit');
  const stop = owned(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const [{ url }] = (await once(child, 'message')) as [{ url: string }];
  return {
    url,
    processId: child.pid ?? 0,
    flood: async (request) => {
      const answer = await fetch(`${url}/simulator/flood`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(request),
      });
      if (!answer.ok) throw new Error(`the simulator refused: ${await answer.text()}`);
    },
    stop,
  };
}

export async function startSite(
  database: BenchDatabase,
  { consumers, natsUrl }: { readonly consumers: number; readonly natsUrl: string | undefined },
  brokerProcessId: number | undefined,
): Promise<StreamSite> {
  const simulator = await startSimulator();
  const environment = { EXCHANGE_URL: simulator.url, ...(natsUrl !== undefined && { NATS_URL: natsUrl }) };
  const receiver = await daybookOn(database, 'receiver').start(environment);
  const appliers: ChildServer[] = [];
  for (let consumer = 0; consumer < consumers; consumer++)
    appliers.push(await daybookOn(database, 'consumer').start(environment));
  const { rows } = await database.client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  const postmaster = await parentOf(rows[0]?.pid ?? 0);
  return {
    simulator,
    database,
    processorTime: async () => ({
      simulator: await processorSeconds(simulator.processId),
      receiver: await processorSeconds(receiver.processId),
      consumers: sum(await Promise.all(appliers.map(({ processId }) => processorSeconds(processId)))),
      postgres: await processorSecondsOfTree(postmaster),
      broker: brokerProcessId === undefined ? 0 : await processorSeconds(brokerProcessId),
    }),
    stop: async () => {
      await Promise.all([receiver.stop(), ...appliers.map((applier) => applier.stop())]);
      await simulator.stop();
    },
  };
}

async function parentOf(processId: number): Promise<number> {
  const { readFile } = await import('node:fs/promises');
  try {
    const stat = await readFile(`/proc/${processId}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    // Another machine's server, or another system: its processor time is not known.
    return -1;
  }
}

/** Orders that are open at the venue, numbered behind those there are. @returns the first one's ClOrdID */
export async function insertOrders(
  { client }: BenchDatabase,
  count: number,
  fillsPerOrder: number,
): Promise<{ readonly first: string; readonly quantity: number }> {
  const quantity = fillsPerOrder * QUANTITY_PER_FILL;
  const { rows } = await client.query<{ day: string; behind: number }>(
    `SELECT to_char(business_now(), 'YYYYMMDD') AS day, (coalesce(max(id), 0) % 10000000000)::int AS behind FROM exchange_orders`,
  );
  const { day = '', behind = 0 } = rows[0] ?? {};
  await client.query(`SELECT make_partitions(to_char(business_now(), 'YYYYMM'))`);
  await client.query(
    `INSERT INTO exchange_orders (id, customer_id, venue, instrument, side, type, quantity, status, placed_at, updated_at, version)
     SELECT $1::bigint * 10000000000 + number, 'customer-' || number % 500, 'XSIM', 'DE0007164600', 'buy', 'market', $4, 'created',
       business_now(), business_now(), 2
     FROM generate_series($2::int + 1, $2::int + $3::int) AS number`,
    [day, behind, count, quantity],
  );
  await client.query('VACUUM (ANALYZE) exchange_orders');
  return { first: `X${day}-${String(behind + 1).padStart(5, '0')}`, quantity };
}

/** How many reports have come to something so far, and how far every part is. */
export async function readApplied({ client }: BenchDatabase): Promise<{ recorded: number; applied: number }> {
  const { rows } = await client.query<{ recorded: number; applied: number }>(
    `SELECT coalesce(sum(recorded), 0)::float8 AS recorded, coalesce(min(applied), 0)::float8 AS applied FROM execution_offsets`,
  );
  return rows[0] ?? { recorded: 0, applied: 0 };
}

/** Resolves with the seconds from now on until so many more reports are recorded. */
export async function waitUntilRecorded(
  database: BenchDatabase,
  target: number,
  onProgress: (recorded: number) => void,
): Promise<void> {
  for (;;) {
    const { recorded } = await readApplied(database);
    onProgress(recorded);
    if (recorded >= target) return;
    await pause(LOOK_EVERY_MS);
  }
}
