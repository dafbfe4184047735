// `npm run check`: what `npm test` leaves out. Every step runs, whatever the others found; one that fails
// shows what its tool said. `--report <file>` also writes { passed, failed } there.
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(import.meta.url);

const steps = [
  {
    name: 'format',
    tool: ['prettier', 'prettier'],
    args: ['--check', '--log-level=warn', '.'],
    mend: 'npm run format',
  },
  {
    name: 'lint',
    tool: ['oxlint', 'oxlint'],
    args: ['--type-aware', '--deny-warnings', '--disable-nested-config'],
  },
  {
    name: 'types',
    tool: ['typescript', 'tsc'],
    args: ['--noEmit', '--pretty', 'false', '--project', 'tsconfig.json'],
  },
  { name: 'templates', script: 'scripts/check-templates.mjs' },
];

/** The file behind a package's command, so that it needs neither a shell nor the PATH. */
function fileOf({ script, tool: [name, command] = [] }) {
  if (script !== undefined) return join(root, script);
  const manifest = join(root, 'node_modules', name, 'package.json');
  const { bin } = require(manifest);
  return join(dirname(manifest), typeof bin === 'string' ? bin : bin[command]);
}

/** Runs a step; resolves to what the tool said and whether it was content. */
function run({ args = [], ...step }) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [fileOf(step), ...args], { cwd: root });
    let output = '';
    const collect = (chunk) => (output += chunk);
    child.stdout.setEncoding('utf8').on('data', collect);
    child.stderr.setEncoding('utf8').on('data', collect);
    child.on('error', (error) => resolve({ content: false, output: String(error) }));
    child.on('close', (code) => resolve({ content: code === 0, output }));
  });
}

if (!existsSync(join(root, 'node_modules'))) {
  console.error('Nothing is installed yet: run `npm ci` first.');
  process.exit(1);
}

let failed = 0;
for (const step of steps) {
  const startedAt = performance.now();
  const { content, output } = await run(step);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(`${content ? 'ok    ' : 'FAILED'}  ${step.name.padEnd(10)}${seconds.padStart(6)} s`);
  if (!content) {
    failed += 1;
    console.log(output.trimEnd().replace(/^/gm, '        '));
    if (step.mend) console.log(`        To mend it: ${step.mend}`);
  }
}

const passed = steps.length - failed;
console.log(`\n${passed} of ${steps.length} checks passed`);
const report = process.argv.indexOf('--report');
if (report > 0) writeFileSync(process.argv[report + 1], JSON.stringify({ passed, failed }));
process.exitCode = failed === 0 ? 0 : 1;
