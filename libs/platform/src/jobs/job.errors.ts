import { DomainError } from '../errors/domain-error.js';

/** One run at a time; nothing was started. */
export class JobRunning extends DomainError {
  readonly code = 'job_running';
  readonly status = 409;

  constructor(name: string) {
    super(`The job ${name} is running already; GET /api/v1/admin/jobs/${name}/runs shows how far it is.`, {
      job: name,
    });
  }
}
