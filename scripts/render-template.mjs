// Shared by new-use-case.mjs and new-module.mjs: copies a folder of templates, its words replaced.
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

import { format, resolveConfig } from 'prettier';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Ends the script with a sentence for the person who started it. */
export function refuse(sentence) {
  console.error(sentence);
  process.exit(1);
}

/** `hold-order` -> `HoldOrder` */
export const pascalCase = (words) => words.replace(/(?:^|-)(\w)/g, (_, letter) => letter.toUpperCase());
/** `hold-order` -> `hold order` */
export const spaced = (words) => words.replaceAll('-', ' ');
/** `hold-order` -> `hold_order` */
export const snakeCase = (words) => words.replaceAll('-', '_');

export const isKebabCase = (text = '') => /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(text);

/**
 * Copies `scripts/templates/<template>` to `target`, replacing `__word__` by `words.word` in names and texts.
 * Returns the files it made, below the project's root. Nothing is overwritten.
 */
export async function render(template, target, words) {
  if (existsSync(target)) refuse(`${relative(root, target)} exists already.`);
  const source = join(root, 'scripts/templates', template);
  const files = readdirSync(source, { recursive: true }).filter((name) =>
    statSync(join(source, name)).isFile(),
  );
  const made = [];
  for (const name of files.toSorted((a, b) => (a < b ? -1 : 1))) {
    const file = join(target, replaceWords(name, words));
    const text = replaceWords(readFileSync(join(source, name), 'utf8'), words);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, file.endsWith('.ts') ? await formatted(file, text) : text);
    made.push(relative(root, file));
  }
  return made;
}

function replaceWords(text, words) {
  return text.replace(/__([a-zA-Z-]+)__/g, (placeholder, word) => {
    if (words[word] === undefined) throw new Error(`No word for ${placeholder}`);
    return words[word];
  });
}

// A name that is longer or shorter than the template's moves line breaks.
async function formatted(file, text) {
  return format(text, { ...(await resolveConfig(file)), filepath: file });
}
