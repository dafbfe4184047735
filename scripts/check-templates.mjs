// A step of `npm run check`: what `npm run new:use-case` and `npm run new:module` make compiles. It works in a
// copy of the project, because those scripts write where they lie.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { root } from './render-template.mjs';

const copy = mkdtempSync(join(tmpdir(), 'daybook-templates-'));
const run = (file, ...args) => execFileSync(process.execPath, [file, ...args], { cwd: copy, stdio: 'pipe' });

try {
  for (const name of [
    'apps',
    'libs',
    'scripts',
    'test',
    'package.json',
    'tsconfig.json',
    '.prettierrc.json',
  ]) {
    cpSync(join(root, name), join(copy, name), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'), 'junction');
  run('scripts/new-use-case.mjs', 'orders', 'hold-template', 'held');
  run('scripts/new-module.mjs', 'template-returns');
  writeFileSync(
    join(copy, 'tsconfig.templates.json'),
    JSON.stringify({
      extends: './tsconfig.json',
      compilerOptions: { paths: { '@daybook/*': ['./libs/*/src/index.ts'] } },
      include: ['libs/orders/src/hold-template', 'libs/template-returns'],
    }),
  );
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  run(tsc, '--noEmit', '--pretty', 'false', '--project', 'tsconfig.templates.json');
} catch (error) {
  console.error(`${error.message}\n${error.stdout ?? ''}`);
  process.exitCode = 1;
} finally {
  rmSync(copy, { recursive: true, force: true });
}
