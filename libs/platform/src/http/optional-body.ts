import {
  applyDecorators,
  type CanActivate,
  type ExecutionContext,
  type Type,
  UseGuards,
} from '@nestjs/common';
import { ApiBody } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';

/** Declares a route whose body has no required field and may be left out: that is the same as `{}`. */
export const OptionalBody = (type: Type) =>
  applyDecorators(UseGuards(EmptyBody), ApiBody({ type, required: false }));

class EmptyBody implements CanActivate {
  canActivate(execution: ExecutionContext): true {
    const request = execution.switchToHttp().getRequest<FastifyRequest>();
    if (request.body === undefined) request.body = {};
    return true;
  }
}
