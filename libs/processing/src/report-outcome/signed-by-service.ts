import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';

import { CONFIG, type DaybookConfig, NotFound, rawBodyOf, Unauthenticated } from '@daybook/platform';

import { findSignatureFault, type SignatureFault } from '../signature.js';

const COMPLAINTS: Readonly<Record<SignatureFault, string>> = {
  missing: 'The report is not signed: X-Daybook-Timestamp or X-Daybook-Signature is missing or malformed.',
  outdated: 'The report was signed more than five minutes ago, or from now.',
  wrong: 'The signature does not fit the report.',
};

/** Lets in what is signed with the secret that the fulfilment service shares with us, in place of a token. */
@Injectable()
export class SignedByService implements CanActivate {
  constructor(@Inject(CONFIG) private readonly config: DaybookConfig) {}

  canActivate(execution: ExecutionContext): true {
    const { processorSecret } = this.config.processing;
    if (processorSecret === undefined) throw new NotFound('No fulfilment service is configured.');
    const request = execution.switchToHttp().getRequest<FastifyRequest>();
    const fault = findSignatureFault(request.headers, rawBodyOf(request), processorSecret);
    if (fault !== undefined) throw new Unauthenticated(COMPLAINTS[fault]);
    return true;
  }
}
