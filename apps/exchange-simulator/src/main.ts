import { InvalidInput } from './behaviour.js';
import { readSettings, type Settings } from './settings.js';
import { Simulator } from './simulator.js';
import { StateLock } from './state-lock.js';

try {
  await run(readSettings(process.env));
} catch (error) {
  process.exitCode = 1;
  process.stderr.write(error instanceof InvalidInput ? `${error.message}\n` : `${(error as Error).stack}\n`);
}

async function run(settings: Settings): Promise<void> {
  const lock = settings.stateFile === undefined ? undefined : await StateLock.take(settings.stateFile);
  if (typeof lock === 'string') {
    process.stdout.write(`Exchange simulator  ${lock}  has this state already\n`);
    process.send?.({ url: lock });
    // The message has to leave before the process does.
    process.disconnect?.();
    return;
  }
  const simulator = await Simulator.start(settings);
  lock?.publish(simulator.url);
  const stop = () => {
    lock?.release();
    process.exit();
  };
  if (process.connected) {
    // Whoever has started it stops it, Ctrl-C or not; and it does not outlive them, not even when they were killed.
    process.on('SIGINT', () => undefined);
    process.once('disconnect', stop);
    process.send?.({ url: simulator.url });
  } else {
    process.once('SIGINT', stop);
  }
  process.once('SIGTERM', stop);
  process.stdout.write(`Exchange simulator  ${simulator.url}  seed ${settings.seed}\n`);
}
