import { Body, Controller, HttpCode, Param, Post, UseGuards } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiExcludeController } from '@nestjs/swagger';

import { KeepRawBody, Public } from '@daybook/platform';

import { ReportOutcome } from './report-outcome/report-outcome.command.js';
import { ReportOutcomeRequest } from './report-outcome/report-outcome.dto.js';
import { SignedByService } from './report-outcome/signed-by-service.js';

/** For fulfilment services, which have no token and sign what they send: docs/processing.md is their document. */
@ApiExcludeController()
@Public()
@UseGuards(SignedByService)
@Controller('processing')
export class ProcessingController {
  constructor(private readonly commands: CommandBus) {}

  @Post('callbacks/:orderId')
  @HttpCode(200)
  @KeepRawBody()
  report(@Param('orderId') orderId: string, @Body() body: ReportOutcomeRequest) {
    return this.commands.execute(new ReportOutcome(orderId, body));
  }
}
