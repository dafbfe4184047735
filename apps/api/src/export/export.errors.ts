/** The export cannot go on; the message says why, and that is all there is to know. */
export class ExportFailed extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ExportFailed';
  }
}

/** It may go better a little later. */
export class ExportInterrupted extends ExportFailed {
  /** @param retryAfterSeconds as the server asked for */
  constructor(
    message: string,
    readonly retryAfterSeconds = 0,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
