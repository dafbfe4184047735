import { Client } from 'pg';
import { owned } from '../support/lifetime.ts';

// Most of the work is the database's, and a second connection uses a second core.
const CONNECTIONS = 2;

/** What a connection does before its first task and after its last. */
interface Shift {
  readonly begin?: string;
  readonly end?: string;
}

/** Has tasks done by a few connections, each of which takes the next when it is through with one. */
export async function shareOut<Task>(
  url: string,
  tasks: readonly Task[],
  work: (worker: Client, task: Task) => Promise<unknown>,
  { begin, end }: Shift = {},
): Promise<void> {
  const left = tasks.values();
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      const worker = new Client({ connectionString: url });
      worker.on('error', () => undefined);
      await worker.connect();
      const leave = owned(() => worker.end());
      await worker.query(
        `SET synchronous_commit = off; SET work_mem = '256MB'; SET maintenance_work_mem = '256MB'`,
      );
      if (begin !== undefined) await worker.query(begin);
      for (const task of left) await work(worker, task);
      if (end !== undefined) await worker.query(end);
      await leave();
    }),
  );
}
