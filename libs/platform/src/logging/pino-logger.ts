import type { LoggerService } from '@nestjs/common';
import { type Logger as Pino, pino } from 'pino';

import type { LogLevel } from '../config/config.js';
import { isTracing, traceFields } from '../tracing/tracing.js';

// What Nest tells of its own start is of interest when something is wrong with it, not in daily operation.
const FRAMEWORK_CONTEXTS = new Set([
  'NestFactory',
  'InstanceLoader',
  'RoutesResolver',
  'RouterExplorer',
  'NestApplication',
]);

/** Structured logs, one JSON object a line on standard output. Secrets that travel in headers never get in. */
export function createPino(level: LogLevel): Pino {
  return pino({
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: ['*.headers.authorization', '*.headers.cookie'],
    serializers: { err: pino.stdSerializers.errWithCause },
    ...(isTracing() && { mixin: traceFields }),
  });
}

/** Lets Nest's `Logger` write to pino: a text becomes the message, an object its fields. */
export class PinoLogger implements LoggerService {
  constructor(private readonly pino: Pino) {}

  log(message: unknown, ...rest: unknown[]): void {
    this.write(FRAMEWORK_CONTEXTS.has(String(rest.at(-1))) ? 'debug' : 'info', message, rest);
  }

  error(message: unknown, ...rest: unknown[]): void {
    this.write('error', message, rest);
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.write('warn', message, rest);
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.write('debug', message, rest);
  }

  verbose(message: unknown, ...rest: unknown[]): void {
    this.write('trace', message, rest);
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.write('fatal', message, rest);
  }

  /** Nest passes the context last and, for errors, a stack before it. */
  private write(level: Exclude<LogLevel, 'silent'>, message: unknown, rest: readonly unknown[]): void {
    const context = rest.at(-1);
    const stack = rest.length > 1 ? rest[0] : undefined;
    const fields = message instanceof Error ? { err: message } : typeof message === 'object' ? message : {};
    const text = typeof message === 'string' ? message : undefined;
    this.pino[level]({ context, ...(stack !== undefined && { stack }), ...fields }, text);
  }
}
