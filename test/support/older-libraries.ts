import { cp, mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

import { projectRoot } from '@daybook/platform';

/**
 * A folder of libraries whose migrations end before this one, for `migrate`: what an older version had.
 * @param migration the name of its file
 */
export async function librariesBefore(migration: string): Promise<string> {
  const older = await mkdtemp(join(tmpdir(), 'daybook-older-libraries-'));
  const libraries = join(projectRoot(), 'libs');
  for (const path of await readdir(libraries, { recursive: true })) {
    const isOlder = /^[^/]+\/migrations\/.+\.sql$/.test(path) && basename(path) < migration;
    if (isOlder) await cp(join(libraries, path), join(older, path));
  }
  return older;
}
