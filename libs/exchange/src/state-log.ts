import type { LoggerService } from '@nestjs/common';

/** Writes one line when something begins to fail and one when it is over, however often it fails in between. */
export class StateLog {
  private isFailing = false;

  constructor(
    private readonly logger: Pick<LoggerService, 'log' | 'error'>,
    private readonly whileFailing: string,
    private readonly whenOver: string,
  ) {}

  fail(error: unknown): void {
    if (!this.isFailing) this.logger.error({ err: error, message: this.whileFailing });
    this.isFailing = true;
  }

  succeed(): void {
    if (this.isFailing) this.logger.log(this.whenOver);
    this.isFailing = false;
  }
}
