/** A value on the command line that makes no sense; the usage is shown with it. */
export class BadOption extends Error {}

/**
 * Runs a campaign that was started by a person, and ends the process with its exit code.
 * @param begin reads the options and runs with them
 */
export async function runCampaign(
  usage: string,
  args: string[],
  begin: (args: string[]) => Promise<number>,
): Promise<void> {
  try {
    process.exitCode = args.includes('--help') ? tell(usage) : await begin(args);
  } catch (error) {
    process.exitCode = 1;
    const isUsage =
      error instanceof BadOption || (error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS');
    say(
      isUsage
        ? `${(error as Error).message}\n\n${usage}`
        : `\nThe campaign broke off: ${(error as Error).stack}\n`,
    );
  }
}

/** The whole number that an option has as its value. @throws {BadOption} */
export function whole(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new BadOption(`--${name} must be a whole number from ${least} to ${most}`);
}

/** A seed of the clock, for whoever names none; it is shown, so that it can be named the next time. */
export function anySeed(): string {
  return String(Date.now() % 1_000_000);
}

export const LARGEST_SEED = 2 ** 31 - 1;

/** Resolves with the exit code of an interrupted campaign; a second Ctrl-C ends it where it stands. */
export function nextInterruption(): Promise<number> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        process.on(signal, () => process.exit(130));
        say('\nInterrupted: cleaning up.\n');
        resolve(130);
      });
    }
  });
}

/** The campaign's exit code, or that of its interruption. */
export function unlessInterrupted(campaign: Promise<number>, interruption: Promise<number>): Promise<number> {
  // What is cut off by Ctrl-C fails somewhere; nobody needs to hear about it.
  campaign.catch(() => undefined);
  return Promise.race([campaign, interruption]);
}

/** On a terminal a line that changes while the round is fought; the function returned clears it. */
export function showProgress(words: () => string): () => void {
  if (!process.stdout.isTTY) return () => undefined;
  const timer = setInterval(() => say(`\r\u001B[2K${words()}`), 200);
  return () => {
    clearInterval(timer);
    say('\r\u001B[2K');
  };
}

/** Problems as a list, the first twenty of them. */
export function listProblems(problems: readonly string[]): string {
  const shown = problems.slice(0, 20).map((problem) => `  ${problem.slice(0, 500)}\n`);
  const left = problems.length - shown.length;
  return shown.join('') + (left > 0 ? `  … and ${left} more\n` : '');
}

export function say(words: string): void {
  process.stdout.write(words);
}

function tell(usage: string): number {
  say(usage);
  return 0;
}
