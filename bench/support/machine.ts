import { execFileSync } from 'node:child_process';
import { cpus, release, totalmem, type } from 'node:os';

/** What a reader needs to judge the figures by. Says nothing of paths, hosts or people. */
export interface Machine {
  processor: string;
  cores: number;
  memoryGiB: number;
  kernel: string;
  node: string;
  commit: string;
}

export function describeMachine(): Machine {
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    kernel: `${type()} ${release()}`,
    node: process.versions.node,
    commit: currentCommit(),
  };
}

/** `+` marks a tree that differs from its commit. */
function currentCommit(): string {
  const git = (...words: string[]): string =>
    execFileSync('git', words, {
      cwd: import.meta.dirname,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  try {
    const changed = git('status', '--porcelain', '--untracked-files=no').trim() !== '';
    return git('rev-parse', '--short', 'HEAD').trim() + (changed ? '+' : '');
  } catch {
    // A copy without its history is still worth measuring.
    return 'unknown';
  }
}

export function machineLine(machine: Machine, postgres: { version: string; commitMs: number }): string {
  const { processor, cores, memoryGiB, kernel, node, commit } = machine;
  return (
    `${processor}, ${cores} cores, ${memoryGiB} GiB, ${kernel}, ` +
    `Node ${node}, PostgreSQL ${postgres.version} (a durable commit: ${postgres.commitMs.toFixed(2)} ms), ` +
    `Daybook ${commit}`
  );
}
