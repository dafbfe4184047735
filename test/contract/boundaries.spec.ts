import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const root = join(import.meta.dirname, '../..');
const rulesFile = join(root, '.dependency-cruiser.mjs');
const cruiser = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs');
const folders = ['apps', 'libs', 'test', 'bench', 'scripts'];

interface Report {
  summary: { totalCruised: number; violations: { from: string; to: string; rule: { name: string } }[] };
}

/** Runs the project's rules over the tree below `directory`. */
async function cruise(directory: string): Promise<Report> {
  const output = await new Promise<string>((resolve, reject) => {
    const present = folders.filter((folder) => existsSync(join(directory, folder)));
    const args = [cruiser, '--config', rulesFile, '--output-type', 'json', ...present];
    const options = { cwd: directory, maxBuffer: 256 * 1024 * 1024 };
    execFile(process.execPath, args, options, (error, stdout, stderr) => {
      // The exit code counts the violations; only a run without a report is a failure of the run itself.
      if (stdout === '') reject(new Error(`dependency-cruiser did not run: ${stderr}`, { cause: error }));
      else resolve(stdout);
    });
  });
  return JSON.parse(output) as Report;
}

const lines = (report: Report) =>
  report.summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`).sort();

describe('the boundaries between apps, libraries and use cases', () => {
  it('hold in this tree', async () => {
    const report = await cruise(root);
    expect(lines(report)).toEqual([]);
    expect(report.summary.totalCruised).toBeGreaterThan(10);
  }, 60_000);
});

/** A small tree that keeps every rule: each kind of import that is allowed occurs in it once. */
const innocent: Record<string, string> = {
  'apps/api/src/main.ts': `
    import '@daybook/audit';
    import '@daybook/processing';
    import '@daybook/orders';
    import './app.module.js';`,
  'apps/api/src/app.module.ts': `import 'listed';`,
  'apps/exchange-simulator/src/main.ts': `import '@daybook/platform';`,
  'libs/platform/src/index.ts': `export * from './database/database.js';`,
  'libs/platform/src/database/database.ts': `import '../errors/errors.js'; export const database = 1;`,
  'libs/platform/src/errors/errors.ts': `export const errors = 1;`,
  'libs/id-generator/src/index.ts': `import '@daybook/platform'; export const numbers = 1;`,
  'libs/inventory/src/index.ts': `import '@daybook/platform'; export const inventory = 1;`,
  'libs/audit/src/index.ts': `import '@daybook/platform'; export const audit = 1;`,
  'libs/metrics/src/index.ts': `import '@daybook/inventory'; export const metrics = 1;`,
  'libs/processing/src/index.ts': `import '@daybook/orders'; export const processing = 1;`,
  'libs/orders/src/index.ts': `export * from './orders.module.js';`,
  'libs/orders/src/orders.module.ts': `
    import '@daybook/id-generator';
    import '@daybook/inventory';
    import './place-order/place-order.command.js';
    import './import-orders/import-orders.command.js';
    export const orders = 1;`,
  'libs/orders/src/order.entity.ts': `import './allocation/rules.js'; export const order = 1;`,
  'libs/orders/src/allocation/rules.ts': `export const rules = 1;`,
  'libs/orders/src/place-order/place-order.command.ts': `
    import './decide-placement.js';
    import '../allocation/rules.js';
    import '../order.entity.js';`,
  'libs/orders/src/place-order/decide-placement.ts': `export const decide = 1;`,
  'libs/orders/src/place-order/place-order.spec.ts': `
    import '../../../../test/support/database.js';
    import 'dev-tool';`,
  'libs/orders/src/import-orders/import-orders.command.ts': `import '../place-order/place-order.command.js';`,
  'test/support/database.ts': `import 'dev-tool';`,
  'test/e2e/order.spec.ts': `import '../../apps/api/src/app.module.js'; import '@daybook/orders';`,
  'bench/run.ts': `import '@daybook/platform';`,
  'scripts/run.mjs': `import 'node:fs';`,
};

/** One offence a file: the rule that must catch it, the file, what it imports. */
const offences: [rule: string, file: string, imports: string][] = [
  ['platform-imports-only-what-is-below', 'libs/platform/src/a.ts', '@daybook/inventory'],
  ['id-generator-imports-only-what-is-below', 'libs/id-generator/src/a.ts', '@daybook/inventory'],
  ['inventory-imports-only-what-is-below', 'libs/inventory/src/a.ts', '@daybook/orders'],
  ['audit-imports-only-what-is-below', 'libs/audit/src/a.ts', '@daybook/orders'],
  ['orders-imports-only-what-is-below', 'libs/orders/src/a.ts', '@daybook/processing'],
  ['orders-imports-only-what-is-below', 'libs/orders/src/b.ts', '@daybook/audit'],
  ['orders-imports-only-what-is-below', 'libs/orders/src/c.ts', '@daybook/metrics'],
  ['feature-imports-only-what-is-below', 'libs/processing/src/a.ts', '@daybook/metrics'],
  ['feature-imports-only-what-is-below', 'libs/returns/src/a.ts', '@daybook/audit'],
  ['library-only-by-its-alias', 'libs/metrics/src/a.ts', '../../orders/src/index.js'],
  ['library-only-through-its-index', 'libs/metrics/src/b.ts', '../../orders/src/order.entity.js'],
  ['library-only-through-its-index', 'apps/api/src/a.ts', '../../../libs/orders/src/order.entity.js'],
  ['library-only-through-its-index', 'test/e2e/a.ts', '../../libs/orders/src/order.entity.js'],
  ['no-library-imports-itself-by-its-alias', 'libs/metrics/src/c.ts', '@daybook/metrics'],
  ['nothing-imports-an-app', 'libs/metrics/src/d.ts', '../../../apps/api/src/app.module.js'],
  ['nothing-imports-an-app', 'apps/api/src/b.ts', '../../exchange-simulator/src/main.js'],
  ['no-test-code-in-production', 'libs/metrics/src/e.ts', '../../../test/support/database.js'],
  ['no-test-code-in-production', 'libs/metrics/src/f.ts', '../../../bench/run.js'],
  ['no-test-code-in-production', 'libs/metrics/src/m.ts', './g.spec.js'],
  ['spec-uses-only-test-support', 'libs/metrics/src/g.spec.ts', '../../../bench/run.js'],
  ['no-dev-dependency-in-production', 'libs/metrics/src/h.ts', 'dev-tool'],
  ['no-unlisted-package', 'libs/metrics/src/i.ts', 'unlisted'],
  ['no-unresolvable-import', 'libs/metrics/src/j.ts', './nowhere.js'],
  ['no-cycle', 'libs/metrics/src/k.ts', './l.js'],
  [
    'use-case-shares-only-its-request',
    'libs/orders/src/list-orders/a.ts',
    '../place-order/decide-placement.js',
  ],
  [
    'use-case-shares-only-its-request',
    'libs/orders/src/allocation/a.ts',
    '../place-order/decide-placement.js',
  ],
  ['shared-model-knows-no-use-case', 'libs/orders/src/e.ts', './place-order/decide-placement.js'],
];

describe('the rules', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'daybook-boundaries-'));
    await write({
      'package.json': JSON.stringify({
        type: 'module',
        dependencies: { listed: '1.0.0' },
        devDependencies: { 'dev-tool': '1.0.0' },
      }),
      'tsconfig.json': JSON.stringify({
        compilerOptions: {
          module: 'nodenext',
          paths: { '@daybook/*': ['./libs/*/src/index.ts'] },
        },
      }),
    });
    for (const name of ['listed', 'dev-tool', 'unlisted']) {
      const manifest = JSON.stringify({ name, version: '1.0.0', type: 'module', main: 'index.js' });
      await write({
        [`node_modules/${name}/package.json`]: manifest,
        [`node_modules/${name}/index.js`]: 'export {};',
      });
    }
    await write(innocent);
  });

  afterEach(() => rm(directory, { recursive: true }));

  async function write(files: Record<string, string>) {
    for (const [file, text] of Object.entries(files)) {
      await mkdir(dirname(join(directory, file)), { recursive: true });
      await writeFile(join(directory, file), text);
    }
  }

  it('let every import pass that the architecture allows', async () => {
    const report = await cruise(directory);
    expect(lines(report)).toEqual([]);
    expect(report.summary.totalCruised).toBeGreaterThanOrEqual(Object.keys(innocent).length);
  }, 60_000);

  it('catch every import that it forbids, each under its own name', async () => {
    await write(Object.fromEntries(offences.map(([, file, imports]) => [file, `import '${imports}';`])));
    await write({ 'libs/metrics/src/l.ts': `import './k.js';` });
    const { summary } = await cruise(directory);
    const caught = summary.violations.map(({ rule, from }) => `${rule.name}: ${from}`);
    expect(caught.sort()).toEqual(offences.map(([rule, file]) => `${rule}: ${file}`).sort());
  }, 60_000);

  it('are all proved here', async () => {
    const { default: rules } = (await import(rulesFile)) as { default: { forbidden: { name: string }[] } };
    const proved = new Set(offences.map(([rule]) => rule));
    expect(rules.forbidden.map(({ name }) => name).filter((name) => !proved.has(name))).toEqual([]);
  });
});
