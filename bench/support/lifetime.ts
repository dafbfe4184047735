type Stop = () => Promise<void>;

// Whatever a run has started and not yet stopped, oldest first.
const running = new Set<Stop>();
let interrupted = false;

/**
 * Makes sure that what was started is also stopped, however the run ends: normally, by an error or by Ctrl-C.
 * The function returned stops it earlier; calling it twice stops it once.
 */
export function owned(stop: Stop): Stop {
  let stopping: Promise<void> | undefined;
  const stopOnce = (): Promise<void> => {
    stopping ??= stop().finally(() => running.delete(stopOnce));
    return stopping;
  };
  running.add(stopOnce);
  return stopOnce;
}

/** Runs a benchmark to its end and stops everything it owned, in the reverse order of starting. */
export async function runBenchmark(body: () => Promise<void>): Promise<void> {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, interrupt);
  try {
    await body();
  } catch (error) {
    // After Ctrl-C the body fails because its processes were stopped under it; that is not news.
    if (!interrupted) {
      console.error(`\n${error instanceof Error ? error.message : String(error)}`);
      process.exitCode = 1;
    }
  } finally {
    await stopEverything();
  }
}

function interrupt(): void {
  interrupted = true;
  console.error('\nstopping …');
  void stopEverything().finally(() => process.exit(130));
}

async function stopEverything(): Promise<void> {
  for (const stop of [...running].reverse()) {
    try {
      await stop();
    } catch (error) {
      console.error(`could not stop cleanly: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}
