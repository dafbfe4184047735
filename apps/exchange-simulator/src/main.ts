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
  const { stateFile } = settings;
  endWhenTold();
  const lock = stateFile === undefined ? undefined : await StateLock.take(stateFile);
  if (typeof lock !== 'string') return serve(settings, lock);
  process.stdout.write(`Exchange simulator  ${lock}  has this state already\n`);
  if (!process.connected) process.exit();
  process.send?.({ url: lock });
  // Whoever has started this one uses that address from now on. When the other one ends, this one takes its place.
  await serve({ ...settings, port: Number(new URL(lock).port) }, await StateLock.wait(stateFile as string));
}

async function serve(settings: Settings, lock: StateLock | undefined): Promise<void> {
  const simulator = await Simulator.start(settings);
  process.once('exit', () => lock?.release());
  lock?.publish(simulator.url);
  process.send?.({ url: simulator.url });
  process.stdout.write(`Exchange simulator  ${simulator.url}  seed ${settings.seed}\n`);
}

function endWhenTold(): void {
  const stop = () => process.exit();
  process.once('SIGTERM', stop);
  if (!process.connected) {
    process.once('SIGINT', stop);
    return;
  }
  // Whoever has started it stops it, Ctrl-C or not; and it does not outlive them, not even when they were killed.
  process.on('SIGINT', () => undefined);
  process.once('disconnect', stop);
}
