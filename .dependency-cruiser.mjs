// Who may import whom. Every layer may import the layers below it, never its own or one above:
//
//   apps
//   processing, exchange, metrics, and every library that is not named here
//   orders                                            audit
//   inventory, id-generator                             |
//   platform  <-----------------------------------------+
//
// test/contract/boundaries.spec.ts runs them over the tree and proves that each of them bites.

/** What a library may import of the others. A library that is not listed is a feature on top of orders. */
const below = {
  platform: [],
  'id-generator': ['platform'],
  inventory: ['platform'],
  audit: ['platform'],
  orders: ['inventory', 'id-generator', 'platform'],
};
const underEveryFeature = ['orders', 'inventory', 'id-generator', 'platform'];

const production = { path: '^(libs|apps)/', pathNot: '[.]spec[.]ts$' };

const anyOf = (names) => `(${names.join('|')})`;

const layerRules = [
  ...Object.entries(below).map(([library, allowed]) => ({
    name: `${library}-imports-only-what-is-below`,
    comment: `libs/${library} may import: ${allowed.join(', ') || 'no other library'}.`,
    severity: 'error',
    from: { path: `^libs/${library}/` },
    to: { path: '^libs/', pathNot: `^libs/${anyOf([library, ...allowed])}/` },
  })),
  {
    name: 'feature-imports-only-what-is-below',
    comment: `A feature may import: ${underEveryFeature.join(', ')}. Events join it to other features.`,
    severity: 'error',
    from: { path: '^libs/([^/]+)/', pathNot: `^libs/${anyOf(Object.keys(below))}/` },
    to: { path: '^libs/', pathNot: `^libs/($1|${underEveryFeature.join('|')})/` },
  },
];

const surfaceRules = [
  {
    name: 'library-only-through-its-index',
    comment: 'What a library offers is exported by its src/index.ts; all else may change without notice.',
    severity: 'error',
    from: { path: '^(libs/[^/]+|apps|test|bench)/' },
    to: { path: '^libs/', pathNot: ['^$1/', '^libs/[^/]+/src/index[.]ts$'] },
  },
  {
    name: 'library-only-by-its-alias',
    comment: 'Another library is imported as @daybook/<library>, not by a relative path.',
    severity: 'error',
    from: { path: '^(libs/[^/]+|apps|test|bench)/' },
    to: { path: '^libs/[^/]+/src/index[.]ts$', pathNot: '^$1/', dependencyTypesNot: ['aliased'] },
  },
  {
    name: 'no-library-imports-itself-by-its-alias',
    comment: 'Inside a library imports are relative: the way through its own index.ts is a cycle.',
    severity: 'error',
    from: { path: '^(libs/[^/]+)/' },
    to: { path: '^$1/', dependencyTypes: ['aliased'] },
  },
];

const outerRules = [
  {
    name: 'nothing-imports-an-app',
    comment: 'An app is where everything is put together. Tests may start one; nothing else may import one.',
    severity: 'error',
    from: { path: '^(apps/[^/]+|libs|scripts)/' },
    to: { path: '^apps/', pathNot: '^$1/' },
  },
  {
    name: 'no-test-code-in-production',
    comment: 'What runs in production imports neither tests nor benchmarks.',
    severity: 'error',
    from: production,
    to: { path: ['^(test|bench)/', '[.]spec[.]ts$'] },
  },
  {
    name: 'spec-uses-only-test-support',
    comment: 'A spec beside its code may use test/support, nothing else of test/ or bench/.',
    severity: 'error',
    from: { path: '^(libs|apps)/.+[.]spec[.]ts$' },
    to: { path: '^(test|bench)/', pathNot: '^test/support/' },
  },
];

const packageRules = [
  {
    name: 'no-dev-dependency-in-production',
    comment: 'The image is installed without devDependencies.',
    severity: 'error',
    from: production,
    to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
  },
  {
    name: 'no-unlisted-package',
    comment: 'Every imported package is named in package.json, not found by luck below another one.',
    severity: 'error',
    from: { path: '^(libs|apps|test|bench|scripts)/' },
    to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
  },
  {
    name: 'no-unresolvable-import',
    severity: 'error',
    from: {},
    to: { couldNotResolve: true },
  },
  {
    name: 'no-cycle',
    comment: 'Modules that import each other cannot be understood, tested or moved alone.',
    severity: 'error',
    from: {},
    to: { circular: true },
  },
];

// Folders that hold an idea the library's use cases share; all other folders are use cases.
const sharedFolders = ['allocation', 'buses', 'gateways', 'processors'];

// libs/platform is made of tools, not of use cases: its folders may use each other.
const useCaseRules = [
  {
    name: 'use-case-shares-only-its-request',
    comment:
      'A use case may dispatch the command or query of another and take its request body, nothing more. ' +
      'What two of them share lies at the root of the library.',
    severity: 'error',
    from: { path: '^libs/(?!platform/)([^/]+)/src/([^/]+)/' },
    to: {
      path: '^libs/$1/src/[^/]+/',
      pathNot: ['^libs/$1/src/$2/', `^libs/$1/src/${anyOf(sharedFolders)}/`, '[.](command|query|dto)[.]ts$'],
    },
  },
  {
    name: 'shared-model-knows-no-use-case',
    comment: 'At the root of a library only the index, the module and the controllers know its use cases.',
    severity: 'error',
    from: {
      path: '^libs/(?!platform/)([^/]+)/src/[^/]+[.]ts$',
      pathNot: '(/index|[.]module|[.]controller|[.]spec)[.]ts$',
    },
    to: { path: '^libs/$1/src/[^/]+/', pathNot: `^libs/$1/src/${anyOf(sharedFolders)}/` },
  },
];

export default {
  forbidden: [...layerRules, ...surfaceRules, ...outerRules, ...packageRules, ...useCaseRules],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    // Types count: a type that is imported ties two modules together as much as a value does.
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|coverage|scripts/templates)/' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      mainFields: ['main', 'types'],
    },
  },
};
