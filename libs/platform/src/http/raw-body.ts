import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyRequest } from 'fastify';

interface RawBodyRequest extends FastifyRequest {
  readonly rawBody?: Buffer;
}

/** Declares a route that needs its body as it arrived: {@link rawBodyOf}. */
export const KeepRawBody = () => RouteConfig({ keepsRawBody: true });

export function isRawBodyKept(config: object): boolean {
  return 'keepsRawBody' in config;
}

/** The bytes of the body, which a signature covers; parsed and written again they might be others. */
export function rawBodyOf(request: FastifyRequest): Buffer {
  return (request as RawBodyRequest).rawBody ?? Buffer.alloc(0);
}
