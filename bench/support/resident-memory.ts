import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** What a process has in memory now. */
export function residentMegabytes(processId: number): number {
  const kilobytes =
    process.platform === 'linux'
      ? /^VmRSS:\s*(\d+) kB/m.exec(readFileSync(`/proc/${processId}/status`, 'utf8'))?.[1]
      : execFileSync('ps', ['-o', 'rss=', '-p', String(processId)], { encoding: 'utf8' });
  return Number(kilobytes) / 1024;
}
