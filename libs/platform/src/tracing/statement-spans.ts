import { sqlState } from '../database/database-errors.js';
import { isRecording, startSpan } from './tracing.js';

/**
 * A span for a statement, as part of the batch or request that needs it; statements that nobody asked for, such as a
 * worker's look into an empty queue, have none. By the semantic conventions for databases.
 * @param text with its parameters as `$1`: what the span shows holds no values
 */
export function traceStatement<R>(name: string, text: string, run: () => Promise<R>): Promise<R> {
  return isRecording() ? traced(name, text, run) : run();
}

async function traced<R>(name: string, text: string, run: () => Promise<R>): Promise<R> {
  const span = startSpan(name, {
    kind: 'client',
    attributes: { 'db.system.name': 'postgresql', 'db.query.summary': name, 'db.query.text': text },
  });
  try {
    const result = await span.run(run);
    span.end();
    return result;
  } catch (error) {
    const state = sqlState(error);
    if (state !== undefined) span.describe({ 'db.response.status_code': state });
    span.end(error);
    throw error;
  }
}
