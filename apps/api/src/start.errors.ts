import { EmbeddedPostgresError, InvalidConfiguration } from '@daybook/platform';

import { CannotExamine } from './doctor/examine.js';
import { ExportFailed } from './export/export.errors.js';

// In a module of their own: main.ts runs while it is being evaluated, before any class below its first line exists.

export class PortUnavailable extends Error {
  constructor(host: string, port: number, code: string) {
    super(
      `Cannot listen on ${host}:${port}: ${code === 'EACCES' ? 'not allowed' : 'in use'}. Set PORT to another one.`,
    );
  }
}

export class UnreadableSecret extends Error {
  constructor(path: string) {
    super(`${path} belongs to another user. Set DAYBOOK_HOME to a folder of your own.`);
  }
}

export class UnknownCommand extends Error {
  constructor(command: string) {
    super(
      `There is no command ${command}. Without one Daybook serves; \`doctor [--json]\` examines its database, \`export [--help]\` gets orders from a server.`,
    );
  }
}

/** True for errors whose message tells the operator all there is to know; of others the stack is shown. */
export function isExpected(error: unknown): error is Error {
  const types = [
    InvalidConfiguration,
    EmbeddedPostgresError,
    PortUnavailable,
    UnreadableSecret,
    UnknownCommand,
    CannotExamine,
    ExportFailed,
  ];
  const { code = '' } = error as NodeJS.ErrnoException;
  return types.some((type) => error instanceof type) || code.startsWith('ERR_PARSE_ARGS_');
}
