import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The folder that holds `package.json`: the migrations are found from there, in the sources and in the bundle alike. */
export function projectRoot(start: string = import.meta.dirname): string {
  if (existsSync(join(start, 'package.json'))) return start;
  const parent = dirname(start);
  if (parent === start)
    throw new Error('Daybook runs from its project folder, and there is no package.json above it');
  return projectRoot(parent);
}
