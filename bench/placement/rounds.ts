import { SCRIPTS, type PgbenchResult, type Script } from '../baselines/pgbench/pgbench.ts';
import type { LoadResult } from '../support/load/load-plan.ts';
import { figure, say, showProgress } from '../support/terminal.ts';
import { measureOrders, type HttpContender, type HttpContenderId } from './http-contenders.ts';
import type { PlacementOptions } from './options.ts';
import { allGoods, measurePgbench, type PgbenchContender } from './pgbench-contender.ts';

// A server that was just started is slow until its code is compiled; that is not what is measured.
const FIRST_WARM_UP = { connections: 64, warmUpSeconds: 6, seconds: 1 };

export interface HttpFigure {
  round: number;
  contender: HttpContenderId;
  load: LoadResult;
}

export interface PgbenchFigure {
  round: number;
  result: PgbenchResult;
}

export interface Rounds {
  http: HttpFigure[];
  pgbench: PgbenchFigure[];
}

export interface Field {
  http: HttpContender[];
  pgbench: (PgbenchContender & { clients: Record<Script, number> }) | undefined;
}

/** Turn by turn, so that whatever slows the machine for a while slows every contender. */
export async function runRounds(field: Field, options: PlacementOptions): Promise<Rounds> {
  const rounds: Rounds = { http: [], pgbench: [] };
  for (let round = 1; round <= options.rounds; round++) {
    for (const contender of field.http) {
      for (const load of await measureAt(contender, options, round)) {
        rounds.http.push({ round, contender: contender.id, load });
      }
    }
    if (field.pgbench === undefined) continue;
    for (const script of SCRIPTS) {
      const clients = field.pgbench.clients[script];
      showProgress(`round ${round}: pgbench, ${script}, ${clients} clients …`);
      const result = await measurePgbench(field.pgbench, allGoods(), script, clients, options.seconds);
      say(`round ${round}  pgbench, ${script}, ${clients} clients: ${figure(result.perSecond)} orders/s`);
      rounds.pgbench.push({ round, result });
    }
  }
  return rounds;
}

async function measureAt(
  contender: HttpContender,
  options: PlacementOptions,
  round: number,
): Promise<LoadResult[]> {
  const results: LoadResult[] = [];
  const server = await contender.start();
  await measureOrders(contender, server, FIRST_WARM_UP);
  for (const connections of options.connections) {
    const doing = `round ${round}: ${contender.label}, ${connections} connections`;
    const result = await measureOrders(
      contender,
      server,
      { connections, seconds: options.seconds },
      ({ answered, elapsedSeconds }) =>
        showProgress(`${doing}, ${answered} orders in ${elapsedSeconds.toFixed(1)} s …`),
    );
    say(`round ${round}  ${describeLoad(contender.label, result)}`);
    results.push(result);
  }
  await server.stop();
  return results;
}

export function describeLoad(
  label: string,
  { connections, perSecond, latencyMs, ...rest }: LoadResult,
): string {
  const others = Object.entries({ ...rest.statuses, ...rest.failures }).filter(
    ([status]) => status !== '201',
  );
  const told = others.map(([status, count]) => `, ${count} × ${status}`).join('');
  return (
    `${label}, ${connections} connections: ${figure(perSecond)} orders/s, ` +
    `p50 ${figure(latencyMs.p50)} ms, p99 ${figure(latencyMs.p99)} ms${told}`
  );
}
