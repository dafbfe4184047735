import { Body, Controller, Get, HttpCode, Param, Post } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiBody, ApiOperation, ApiTags } from '@nestjs/swagger';

import {
  Answer,
  ApiConflicts,
  ApiCreated,
  ApiErrors,
  ApiIdempotent,
  ApiIfMatch,
  ApiVersioned,
  Context,
  Idempotency,
  type IdempotencyClaim,
  IfMatch,
  NoBody,
  type RequestContext,
  Roles,
} from '@daybook/platform';

import { ExtendReservation } from './extend-reservation/extend-reservation.command.js';
import { ExtendReservationRequest } from './extend-reservation/extend-reservation.dto.js';
import { GetReservation } from './get-reservation/get-reservation.query.js';
import { ReleaseReservation } from './release-reservation/release-reservation.command.js';
import { ApiReservationId, ReservationResponse, toReservationResponse } from './reservation.dto.js';
import { ReserveStock } from './reserve-stock/reserve-stock.command.js';
import { ReserveStockRequest } from './reserve-stock/reserve-stock.dto.js';

// The demo catalogue has these, so that Swagger UI's "Try it out" works as it is.
const EXAMPLE = {
  lines: [
    { sku: 'TEA-EARL-GREY', quantity: 2 },
    { sku: 'CUP-PORCELAIN', quantity: 1 },
  ],
};

@ApiTags('Reservations')
@ApiBearerAuth()
@Roles('customer', 'operator')
@Controller('reservations')
export class ReservationsController {
  constructor(
    private readonly commands: CommandBus,
    private readonly queries: QueryBus,
  ) {}

  @Post()
  @ApiOperation({ summary: 'Hold stock for a while, all lines or none' })
  @ApiBody({ type: ReserveStockRequest, examples: { cart: { summary: 'Tea for two', value: EXAMPLE } } })
  @ApiCreated(ReservationResponse, { versioned: true })
  @ApiIdempotent()
  @ApiConflicts('insufficient_stock', 'product_inactive', 'idempotency_in_flight')
  @ApiErrors(413, 415)
  reserve(
    @Body() body: ReserveStockRequest,
    @Context() context: RequestContext,
    @Idempotency() idempotency?: IdempotencyClaim,
  ) {
    return this.commands.execute(new ReserveStock(body, context, idempotency));
  }

  @Get(':id')
  @ApiOperation({ summary: 'Read a reservation' })
  @ApiReservationId()
  @ApiVersioned(ReservationResponse)
  @ApiErrors(404)
  async get(@Param('id') id: string, @Context() context: RequestContext) {
    return Answer.versioned(
      toReservationResponse(await this.queries.execute(new GetReservation(id, context))),
    );
  }

  @Post(':id/extend')
  @HttpCode(200)
  @ApiOperation({ summary: 'Hold it for longer, counted from now' })
  @ApiReservationId()
  @ApiVersioned(ReservationResponse, 'The reservation with its new deadline.')
  @ApiIdempotent()
  @ApiIfMatch()
  @ApiConflicts('reservation_not_active', 'idempotency_in_flight')
  @ApiErrors(404, 413, 415)
  extend(
    @Param('id') id: string,
    @Body() body: ExtendReservationRequest,
    @Context() context: RequestContext,
    @Idempotency() idempotency?: IdempotencyClaim,
    @IfMatch() version?: number,
  ) {
    return this.commands.execute(new ExtendReservation(id, body, context, idempotency, version));
  }

  @Post(':id/release')
  @HttpCode(200)
  @NoBody()
  @ApiOperation({ summary: 'Give the stock back' })
  @ApiReservationId()
  @ApiVersioned(ReservationResponse, 'The reservation, released.')
  @ApiIdempotent()
  @ApiIfMatch()
  @ApiConflicts('reservation_not_active', 'idempotency_in_flight')
  @ApiErrors(404)
  release(
    @Param('id') id: string,
    @Context() context: RequestContext,
    @Idempotency() idempotency?: IdempotencyClaim,
    @IfMatch() version?: number,
  ) {
    return this.commands.execute(new ReleaseReservation(id, context, idempotency, version));
  }
}
