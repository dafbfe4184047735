import { inSpan, isTracing, type TraceSpan } from './tracing.js';

const spans = new WeakMap<object, TraceSpan>();

/**
 * A span in its caller's trace, from the moment a command is submitted until it is answered.
 * @param command an object: {@link traceBatch} finds the span by it
 */
export function traceCommand<R>(name: string, command: unknown, submit: () => Promise<R>): Promise<R> {
  return isTracing() ? inCommandSpan(name, command as object, submit) : submit();
}

/**
 * A span for the transaction that a batch shares. It serves many traces and is part of none, so it has one of its own,
 * linked with the span of each command, and these with it.
 */
export function traceBatch<R>(
  name: string,
  commands: readonly object[],
  commit: () => Promise<R>,
): Promise<R> {
  return isTracing() ? inBatchSpan(name, commands, commit) : commit();
}

function inCommandSpan<R>(name: string, command: object, submit: () => Promise<R>): Promise<R> {
  return inSpan(name, {}, (span) => {
    spans.set(command, span);
    return submit();
  });
}

function inBatchSpan<R>(name: string, commands: readonly object[], commit: () => Promise<R>): Promise<R> {
  const links = commands.flatMap((command) => spans.get(command) ?? []);
  const attributes = { 'daybook.batch.size': commands.length };
  return inSpan(`${name} batch`, { parent: 'none', links, attributes }, (batch) => {
    for (const span of links) span.linkTo(batch);
    return commit();
  });
}
