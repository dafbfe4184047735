import { InvalidInput } from './behaviour.js';
import { readSettings } from './settings.js';
import { Simulator } from './simulator.js';

try {
  await run();
} catch (error) {
  process.exitCode = 1;
  process.stderr.write(error instanceof InvalidInput ? `${error.message}\n` : `${(error as Error).stack}\n`);
}

async function run(): Promise<void> {
  const settings = readSettings(process.env);
  const simulator = await Simulator.start(settings);
  process.stdout.write(`Exchange simulator  ${simulator.url}  seed ${settings.seed}\n`);
  if (process.connected) {
    // Whoever has started it stops it, Ctrl-C or not; and it does not outlive them, not even when they were killed.
    process.on('SIGINT', () => undefined);
    process.once('disconnect', () => process.exit());
    process.send?.({ url: simulator.url });
  } else {
    process.once('SIGINT', () => void simulator.stop());
  }
  process.once('SIGTERM', () => {
    void simulator.stop().then(() => process.exit());
  });
}
