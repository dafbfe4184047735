import { type CanActivate, type ExecutionContext, UseGuards } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';

import { ValidationFailed } from '../errors/domain-error.js';
import { joinPath } from './json-body.js';

const MAXIMUM_ERRORS = 20;

/**
 * Declares a route that takes no body. `{}`, which some clients always send, is none; a field is refused as an unknown
 * one: whoever asks to release a part must not have the whole released.
 */
export const NoBody = () => UseGuards(BodyRefusal);

class BodyRefusal implements CanActivate {
  canActivate(execution: ExecutionContext): boolean {
    const { body } = execution.switchToHttp().getRequest<FastifyRequest>();
    if (body === undefined) return true;
    if (typeof body !== 'object' || body === null || Array.isArray(body)) {
      throw new ValidationFailed([
        { path: 'body', message: 'must be a JSON object without fields, or nothing' },
      ]);
    }
    const unknown = Object.keys(body).map((key) => ({
      path: joinPath('', key),
      message: 'is not a known field',
    }));
    if (unknown.length > 0) throw new ValidationFailed(unknown.slice(0, MAXIMUM_ERRORS));
    return true;
  }
}
