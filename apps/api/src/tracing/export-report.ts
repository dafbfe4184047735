import { Logger } from '@nestjs/common';
import { type ExportResult, ExportResultCode } from '@opentelemetry/core';
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace';

/** One line when traces begin to get lost and one when it is over. */
export class ExportReport {
  private readonly logger = new Logger('Tracing');
  private isFailing = false;

  failed(error: unknown): void {
    if (!this.isFailing) this.logger.warn({ err: error, message: 'Traces are lost: they cannot be sent' });
    this.isFailing = true;
  }

  succeeded(): void {
    if (this.isFailing) this.logger.log('Traces are sent again');
    this.isFailing = false;
  }
}

/** Tells how the exports end. */
export class ReportedExporter implements SpanExporter {
  constructor(
    private readonly exporter: SpanExporter,
    private readonly report: ExportReport,
  ) {}

  export(spans: ReadableSpan[], done: (result: ExportResult) => void): void {
    this.exporter.export(spans, (result) => {
      if (result.code === ExportResultCode.SUCCESS) this.report.succeeded();
      done(result);
    });
  }

  shutdown(): Promise<void> {
    return this.exporter.shutdown();
  }
}
