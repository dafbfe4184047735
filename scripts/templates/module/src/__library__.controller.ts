import { Body, Controller, Post } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiCreatedResponse, ApiOperation, ApiTags } from '@nestjs/swagger';

import {
  ApiErrors,
  ApiIdempotent,
  Context,
  Idempotency,
  type IdempotencyClaim,
  type RequestContext,
  Roles,
} from '@daybook/platform';

import { __Singular__Response } from './__singular__.dto.js';
import { Create__Singular__ } from './create-__singular__/create-__singular__.command.js';
import { Create__Singular__Request } from './create-__singular__/create-__singular__.dto.js';

@ApiTags('__Library-in-words__')
@ApiBearerAuth()
@Roles('operator')
@Controller('__library__')
export class __Library__Controller {
  constructor(private readonly commands: CommandBus) {}

  @Post()
  @ApiOperation({ summary: 'Create __a-singular__' })
  @ApiCreatedResponse({ type: __Singular__Response })
  @ApiIdempotent()
  @ApiErrors(413, 415)
  create(
    @Body() body: Create__Singular__Request,
    @Context() context: RequestContext,
    @Idempotency() idempotency?: IdempotencyClaim,
  ) {
    return this.commands.execute(new Create__Singular__(body, context, idempotency));
  }
}
