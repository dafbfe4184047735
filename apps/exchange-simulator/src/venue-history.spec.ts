import { appendFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { HistoryFile } from './venue-history.js';

describe('a state file', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'exchange-simulator-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('may be of any length, and half a line at its end', () => {
    const path = join(folder, 'state');
    const written = new HistoryFile(path);
    // Characters of three bytes, of which some lie across the ends of what is read at once.
    const events = Array.from({ length: 3_000 }, (_, index) => ({
      cancel: `${index} ${'€'.repeat(300 + (index % 7))}`,
    }));
    for (const event of events) written.note(event);
    written.close();
    appendFileSync(path, '{"cancel":"a-');
    const read = new HistoryFile(path);
    expect([...read.past()]).toEqual(events);
    read.note({ cancel: 'the last' });
    read.close();
    const again = new HistoryFile(path);
    expect([...again.past()]).toEqual([...events, { cancel: 'the last' }]);
    again.close();
  });
});
