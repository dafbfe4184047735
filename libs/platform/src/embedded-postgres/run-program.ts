import { execFile } from 'node:child_process';

/** The operating-system account that runs the server; undefined stands for the one that runs Node. */
export type ServerAccount = { readonly uid: number; readonly gid: number } | undefined;

export interface Outcome {
  /** Null after a death by a signal. */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, however that is. Rejects only if the operating system refuses to run it. */
export function runProgram(
  program: string,
  args: readonly string[],
  account?: ServerAccount,
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const options = { cwd: '/', env: cleanEnvironment(), ...account };
    const child = execFile(program, args, options, (_error, stdout, stderr) => {
      if (child.pid !== undefined) resolve({ exitCode: child.exitCode, stdout, stderr });
    });
    child.once('error', reject);
  });
}

/** Only what is named here: variables such as PGDATA, PGPORT or LD_PRELOAD must not change the server. */
export function cleanEnvironment(): Record<string, string> {
  return { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };
}
