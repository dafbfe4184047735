// What cleaning up costs those who place orders: a backlog of overdue reservations is swept while orders arrive.
import { SignJWT } from 'jose';
import { countBacklog, makeBacklog, measureSizes, type Size } from './cleanup/backlog.ts';
import { BENCH_SECRET, isDaybookBuilt, measureOrders, prepareDaybook } from './placement/http-contenders.ts';
import { checkBooks } from './support/books.ts';
import type { ChildServer } from './support/child-server.ts';
import { runBenchmark } from './support/lifetime.ts';
import type { LoadResult } from './support/load/load-plan.ts';
import { describeMachine, machineLine } from './support/machine.ts';
import { readOptions, type Options } from './support/options.ts';
import { openPostgres } from './support/postgres-server.ts';
import { keepResults } from './support/results.ts';
import { median } from './support/statistics.ts';
import { figure, say, showProgress, table } from './support/terminal.ts';

const JOB = '/api/v1/admin/jobs/expire-reservations/run';
const P99_GROWS_AT_MOST = 1.5;

await runBenchmark(async () => {
  const options = readOptions({
    reservations: { default: '1000000', help: 'overdue ones to expire' },
    connections: { default: '64', help: 'that place orders meanwhile' },
    windows: { default: '3', help: 'of quiet before, and as many after' },
    seconds: { default: '10', help: 'a window' },
  });
  if (options !== undefined) await measureCleanup(options);
});

/** One stretch of placing orders. */
interface Window {
  readonly phase: 'before' | 'sweep' | 'after';
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** Overdue reservations that are left at its end. */
  readonly backlog: number;
}

async function measureCleanup(options: Options): Promise<void> {
  const reservations = options.wholeNumber('reservations');
  const plan = { connections: options.wholeNumber('connections'), seconds: options.wholeNumber('seconds') };
  if (!isDaybookBuilt()) throw new Error('Daybook is not built: npm run build');
  const machine = describeMachine();
  const postgres = await openPostgres(options.databaseUrl);
  say(machineLine(machine, postgres));
  const daybook = await prepareDaybook(postgres);
  await makeBacklog(daybook.database, reservations, (made) =>
    showProgress(`${made} of ${reservations} reservations …`),
  );
  const server = await daybook.start();
  const windows: Window[] = [];
  const measure = async (phase: Window['phase']): Promise<void> => {
    const load = await measureOrders(daybook, server, plan);
    const backlog = await countBacklog(daybook.database);
    windows.push(toWindow(phase, load, backlog));
    say(toRow(windows.at(-1) as Window).join('  '));
  };

  // The first window finds plans and caches cold, and counts for nothing.
  await measureOrders(daybook, server, plan);
  for (let window = 0; window < options.wholeNumber('windows'); window++) await measure('before');
  const sizesBefore = await measureSizes(daybook.database);
  const sweep = runSweep(server);
  while (!sweep.isOver || windows.every(({ phase }) => phase !== 'sweep')) await measure('sweep');
  const sweepSeconds = await sweep.seconds;
  const sizesAfter = await measureSizes(daybook.database);
  for (let window = 0; window < options.wholeNumber('windows'); window++) await measure('after');
  await server.stop();
  const left = await countBacklog(daybook.database);
  if (left > 0) throw new Error(`${left} overdue reservations were left`);
  await checkBooks('Daybook', daybook.database);

  const summary = summarize(windows, reservations / sweepSeconds);
  tell(summary, sizesBefore, sizesAfter);
  const date = new Date().toISOString();
  await keepResults(
    'cleanup',
    {
      benchmark: 'cleanup',
      date,
      machine,
      postgres,
      options: { reservations, ...plan },
      summary,
      windows,
      sizesBefore,
      sizesAfter,
    },
    {},
  );
}

/** Starts the job as an operator would, and follows it until it is over. */
function runSweep(server: ChildServer): { readonly isOver: boolean; readonly seconds: Promise<number> } {
  const startedAt = performance.now();
  const sweep = { isOver: false, seconds: follow(server).then(() => (performance.now() - startedAt) / 1000) };
  void sweep.seconds.finally(() => (sweep.isOver = true));
  return sweep;
}

async function follow(server: ChildServer): Promise<void> {
  const token = await new SignJWT({ roles: ['admin'] })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject('operator')
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(BENCH_SECRET));
  const headers = { authorization: `Bearer ${token}` };
  const started = await fetch(`${server.url}${JOB}`, { method: 'POST', headers });
  if (!started.ok) throw new Error(`the sweep did not start: ${await started.text()}`);
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 250));
    const answer = await fetch(`${server.url}/api/v1/admin/jobs`, { headers });
    const { data } = (await answer.json()) as {
      data: { name: string; lastRun: { result: string; error: string } }[];
    };
    const run = data.find(({ name }) => name === 'expire-reservations')?.lastRun;
    if (run?.result === 'succeeded') return;
    if (run?.result !== 'running') throw new Error(`the sweep ended as ${run?.result}: ${run?.error}`);
  }
}

interface Summary {
  readonly rowsPerSecond: number;
  readonly quiet: { readonly perSecond: number; readonly p50: number; readonly p99: number };
  readonly sweeping: { readonly perSecond: number; readonly p50: number; readonly p99: number };
  readonly p99Ratio: number;
}

function summarize(windows: readonly Window[], rowsPerSecond: number): Summary {
  const middle = (chosen: readonly Window[]) => ({
    perSecond: median(chosen.map(({ perSecond }) => perSecond)),
    p50: median(chosen.map(({ p50 }) => p50)),
    p99: median(chosen.map(({ p99 }) => p99)),
  });
  const quiet = middle(windows.filter(({ phase }) => phase !== 'sweep'));
  const sweeping = middle(windows.filter(({ phase }) => phase === 'sweep'));
  return { rowsPerSecond, quiet, sweeping, p99Ratio: sweeping.p99 / quiet.p99 };
}

function toWindow(phase: Window['phase'], { perSecond, latencyMs }: LoadResult, backlog: number): Window {
  return { phase, perSecond, p50: latencyMs.p50, p99: latencyMs.p99, backlog };
}

function toRow({ phase, perSecond, p50, p99, backlog }: Window): string[] {
  return [
    phase.padEnd(6),
    `${figure(perSecond)} orders/s`,
    `p50 ${figure(p50)} ms`,
    `p99 ${figure(p99)} ms`,
    `${backlog.toLocaleString('en-US')} overdue`,
  ];
}

function tell(summary: Summary, before: readonly Size[], after: readonly Size[]): void {
  const { quiet, sweeping, p99Ratio, rowsPerSecond } = summary;
  say(`\n${figure(rowsPerSecond)} reservations expired a second; medians of the windows:\n`);
  say(
    table(
      ['', 'orders/s', 'p50 ms', 'p99 ms'],
      Object.entries({ 'without the sweep': quiet, 'while it runs': sweeping }).map(([name, row]) => [
        name,
        figure(row.perSecond),
        figure(row.p50),
        figure(row.p99),
      ]),
    ),
  );
  const verdict = p99Ratio <= P99_GROWS_AT_MOST ? 'reached' : 'missed';
  say(`\np99 grows ${p99Ratio.toFixed(2)} x; goal at most ${P99_GROWS_AT_MOST} x: ${verdict}\n`);
  say(
    table(
      ['relation', 'MB before', 'MB after'],
      before.map(({ name, megabytes }) => [
        name,
        figure(megabytes),
        figure(after.find((size) => size.name === name)?.megabytes ?? 0),
      ]),
    ),
  );
}
