// Behind `npm start` and `npm test`: installs what is missing, builds what has changed, then starts or tests it.
//   node scripts/run.mjs start | test | check-install [arguments]
// It needs no installed package, and no Node newer than the one a newcomer has.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';

const OLDEST_NODE = 20;
if (Number(process.versions.node.split('.')[0]) < OLDEST_NODE) {
  console.error(
    `Daybook needs Node ${OLDEST_NODE} or newer to start; this is Node ${process.versions.node}.`,
  );
  process.exit(1);
}
// Imported only now, because an older Node would stumble over it before it could say so.
const { Failure, nodeOfProject, prepare, root } = await import('./prepare.mjs');

/** One Ctrl-C arrives up to three times: from the terminal, from npm, and from a shell in between. */
const SAME_SIGNAL_MS = 1000;

const commands = {
  async start(args) {
    await prepare({ withBuild: true });
    return startServer(['--enable-source-maps', 'dist/apps/api/main.js', ...args]);
  },
  async test(args) {
    await prepare({ withBuild: true });
    // The hooks are for what Jest loads by itself: its global set-up, which is TypeScript like everything else.
    const hooks = ['--import', './scripts/typescript.mjs'];
    const modules = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
    // When everything is done, Node 26 can spin for ever while it tears itself down (Environment::CleanupHandles, with
    // nothing of ours left open), so Jest ends the process itself.
    const end = args.some((argument) => argument.startsWith('--watch')) ? [] : ['--forceExit'];
    return runTests([...hooks, ...modules, 'node_modules/jest/bin/jest.js', ...end, ...args]);
  },
  async 'check-install'() {
    await prepare({ withBuild: false });
    return 0;
  },
};

/**
 * The server gets a process group of its own, so that Ctrl-C, which a terminal sends to the whole group, reaches it
 * through this process alone: once, for a graceful stop. A second one, later, is passed on for the impatient.
 */
function startServer(args) {
  const child = spawn(nodeOfProject, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true,
  });
  let lastSignalAt = -Infinity;
  const passOn = (signal) => {
    if (performance.now() - lastSignalAt < SAME_SIGNAL_MS) return;
    lastSignalAt = performance.now();
    child.kill(signal);
  };
  process.on('SIGINT', passOn).on('SIGTERM', passOn);
  // The terminal was closed. The server should stop as gracefully as ever.
  process.on('SIGHUP', () => passOn('SIGTERM'));
  return exitCodeOf(child);
}

/** Jest stays in the terminal's group: it reads the keyboard in watch mode, and stops by itself at Ctrl-C. */
function runTests(args) {
  const child = spawn(nodeOfProject, args, { cwd: root, stdio: 'inherit' });
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  return exitCodeOf(child);
}

function exitCodeOf(child) {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  });
}

async function main([name, ...args]) {
  if (!Object.hasOwn(commands, name ?? '')) {
    throw new Failure(`Usage: node scripts/run.mjs ${Object.keys(commands).join(' | ')} [arguments]`);
  }
  return commands[name](args);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
