// npm run new:module -- <library> [<singular>]
//
// `npm run new:module -- returns` makes libs/returns/: a README, a migration, a module, a controller and the use
// case create-return. It prints what to add to the two files that must know the library.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { isKebabCase, pascalCase, refuse, render, root, snakeCase, spaced } from './render-template.mjs';

const [library, singular = singularOf(library ?? '')] = process.argv.slice(2);
if (library === undefined) refuse('Usage: npm run new:module -- <library> [<singular>]');
if (!isKebabCase(library))
  refuse(`Name a library in lower case with hyphens, as in gift-cards; ${library} is not.`);
if (!isKebabCase(singular)) refuse(`Name one of them in lower case with hyphens; ${singular} is not.`);
if (singular === library) refuse(`What is one of ${library} called? Say it as a second word.`);

const table = snakeCase(library);
const thing = spaced(singular);
const words = {
  library,
  Library: pascalCase(library),
  'Library-in-words': spaced(library).replace(/^./, (letter) => letter.toUpperCase()),
  singular,
  Singular: pascalCase(singular),
  'a-singular': `${/^[aeiou]/.test(thing) ? 'an' : 'a'} ${thing}`,
  table,
  'entity-type': snakeCase(singular),
  // Migrations apply in the order of their names.
  'timestamp-and-table': `${timestamp()}_${table}`,
};
const files = await render('module', join(root, 'libs', library), words);

const isCovered = readFileSync(join(root, 'tsconfig.json'), 'utf8').includes('"@daybook/*"');

console.log(`Made
${files.map((file) => `  ${file}`).join('\n')}

Add to ${
  isCovered
    ? ''
    : `tsconfig.json, under paths:

    "@daybook/${library}": ["./libs/${library}/src/index.ts"]

and to `
}apps/api/src/app.module.ts, to the list MODULES:

    ${words.Library}Module

  import { ${words.Library}Module } from '@daybook/${library}';

Then: npm test -- libs/${library}`);

function timestamp() {
  const [date, time] = new Date().toISOString().split('T');
  return `${date.replaceAll('-', '')}_${time.slice(0, 5).replace(':', '')}`;
}

function singularOf(plural) {
  if (plural.endsWith('ies')) return plural.replace(/ies$/, 'y');
  return plural.replace(/(?<=s|x|z|ch|sh)es$|(?<!s)s$/, '');
}
