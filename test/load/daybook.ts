import { Site } from '../chaos/site.js';
import { request, tokenFor, type TestResponse } from '../support/app.js';

/** The Daybook that is put under load. */
export interface Daybook {
  readonly origin: string;
  /** An operator's. */
  readonly token: string;
  /** Nobody else uses it, and it was empty. */
  readonly isOwn: boolean;
  ask(method: string, path: string, body?: object): Promise<TestResponse>;
  close(): Promise<void>;
}

/** One that somebody else runs. */
export function foreignDaybook(url: string, token: string): Daybook {
  const { origin } = new URL(url);
  return { origin, token, isOwn: false, ask: asker(origin, token), close: () => Promise.resolve() };
}

/** One with a PostgreSQL of its own, in a process of its own: it takes orders and works them off, as by default. */
export async function startDaybook(workers: number): Promise<Daybook> {
  const site = await Site.open({
    environment: {
      DAYBOOK_ROLES: 'api,worker,scheduler',
      WORKER_COUNT: String(workers),
      // Soon after the last order is done there shall be a report of it.
      REPORT_INTERVAL_SECONDS: '2',
    },
  });
  const { origin } = site;
  const token = await tokenFor('load', 'operator');
  return { origin, token, isOwn: true, ask: asker(origin, token), close: () => site.close() };
}

function asker(origin: string, token: string): Daybook['ask'] {
  return (method, path, body) => request(origin, method, `/api/v1${path}`, { token, ...(body && { body }) });
}

/** All pages of a list. */
export async function listAll<Item>({ ask }: Daybook, path: string): Promise<Item[]> {
  const items: Item[] = [];
  const first = `${path}${path.includes('?') ? '&' : '?'}limit=200`;
  for (let next: string | undefined = first; next !== undefined;) {
    const { status, text, body } = await ask('GET', next);
    if (status !== 200) throw new Error(`${path} could not be listed: ${status} ${text}`);
    const { data, nextCursor } = body as { data: Item[]; nextCursor: string | null };
    items.push(...data);
    next = nextCursor === null ? undefined : `${first}&cursor=${encodeURIComponent(nextCursor)}`;
  }
  return items;
}
