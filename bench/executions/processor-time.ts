import { readdir, readFile } from 'node:fs/promises';

// What Linux counts in everywhere that Node runs on it.
const TICKS_PER_SECOND = 100;

/** Seconds of processor time that a process has used so far; NaN where the system does not tell. */
export async function processorSeconds(processId: number): Promise<number> {
  const times = await timesOf(processId);
  return times === undefined ? NaN : (times.user + times.system) / TICKS_PER_SECOND;
}

/** The same of a process with all its children, those that have ended included. */
export async function processorSecondsOfTree(processId: number): Promise<number> {
  const own = await timesOf(processId);
  if (own === undefined) return NaN;
  const all = await Promise.all((await processIds()).map(timesOf));
  const living = all.filter((times) => times?.parent === processId);
  const ticks = living.reduce(
    (sum, times) => sum + (times?.user ?? 0) + (times?.system ?? 0),
    own.user + own.system + own.ended,
  );
  return ticks / TICKS_PER_SECOND;
}

interface Times {
  readonly parent: number;
  readonly user: number;
  readonly system: number;
  /** Of children that have ended. */
  readonly ended: number;
}

async function processIds(): Promise<number[]> {
  return (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
}

async function timesOf(processId: number): Promise<Times | undefined> {
  try {
    const stat = await readFile(`/proc/${processId}/stat`, 'utf8');
    // The second field is the name, which may have blanks in it.
    const fields = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const [, parent = 0] = fields;
    const [user = 0, system = 0, endedUser = 0, endedSystem = 0] = fields.slice(11, 15);
    return { parent, user, system, ended: endedUser + endedSystem };
  } catch {
    // It has ended, or this is not Linux.
    return undefined;
  }
}
