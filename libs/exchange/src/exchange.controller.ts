import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiBody, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';

import {
  Answer,
  ApiAccepted,
  ApiConflicts,
  ApiCreated,
  ApiErrors,
  ApiIdempotent,
  ApiIfMatch,
  ApiPage,
  ApiRefused,
  ApiTooBroad,
  ApiVersioned,
  Context,
  Idempotency,
  type IdempotencyClaim,
  IfMatch,
  linkNextPage,
  NoBody,
  type RequestContext,
  Roles,
} from '@daybook/platform';

import { CancelExchangeOrder } from './cancel-exchange-order/cancel-exchange-order.command.js';
import {
  ApiExchangeOrderId,
  ExchangeOrderResponse,
  ExchangeOrderTransitionsResponse,
  toExchangeOrderResponse,
} from './exchange-order.dto.js';
import { exchangeOrderStatusMachine } from './exchange-order-status.js';
import { GetExchangeOrder } from './get-exchange-order/get-exchange-order.query.js';
import { ListExchangeOrdersRequest } from './list-exchange-orders/list-exchange-orders.dto.js';
import { ListExchangeOrders } from './list-exchange-orders/list-exchange-orders.query.js';
import { ExecutionResponse, toExecutionResponse } from './list-executions/execution.dto.js';
import { ListExecutionsRequest } from './list-executions/list-executions.dto.js';
import { ListExecutions } from './list-executions/list-executions.query.js';
import { PlaceExchangeOrder } from './place-exchange-order/place-exchange-order.command.js';
import { PlaceExchangeOrderRequest } from './place-exchange-order/place-exchange-order.dto.js';

const INSTRUMENT = 'US0378331005';
const EXAMPLES = {
  limit: {
    summary: 'Buy at a price or better',
    value: { instrument: INSTRUMENT, side: 'buy', type: 'limit', quantity: 100, limitPriceCents: 18950 },
  },
  market: {
    summary: 'Sell at the best price there is',
    value: { instrument: INSTRUMENT, side: 'sell', type: 'market', quantity: 40 },
  },
};

/** A 503 that may also mean that this server has no venue. */
const ApiMayHaveNoVenue = () =>
  ApiRefused(
    503,
    ['overloaded', 'database_unavailable', 'exchange_not_configured'],
    'Too busy, or the database is away, or there is no venue. Nothing was done, unless `detail` says that this is unknown.',
  );

@ApiTags('Exchange')
@ApiBearerAuth()
@Roles('customer', 'operator')
@Controller('exchange/orders')
export class ExchangeController {
  constructor(
    private readonly commands: CommandBus,
    private readonly queries: QueryBus,
  ) {}

  @Post()
  @ApiOperation({ summary: 'Place an order at the venue' })
  @ApiBody({ type: PlaceExchangeOrderRequest, examples: EXAMPLES })
  @ApiCreated(ExchangeOrderResponse, { versioned: true })
  @ApiAccepted(
    ExchangeOrderResponse,
    'Durable, but the venue has not told yet whether it has the order: read it in a while. It is never placed twice.',
    { replayable: true },
  )
  @ApiRefused(
    422,
    ['order_rejected', 'idempotency_key_reused'],
    'The venue refused the order, which is kept as `orderId` with its `reason`; or the `Idempotency-Key` was used with another request.',
  )
  @ApiRefused(
    502,
    ['venue_unavailable'],
    'The order did not reach the venue, and will not be sent again. It is kept as `orderId` with its `reason`; place another one.',
  )
  @ApiMayHaveNoVenue()
  @ApiIdempotent()
  @ApiConflicts('duplicate_client_order_id', 'idempotency_in_flight')
  @ApiErrors(413, 415)
  place(
    @Body() body: PlaceExchangeOrderRequest,
    @Context() context: RequestContext,
    @Idempotency() idempotency?: IdempotencyClaim,
  ) {
    return this.commands.execute(new PlaceExchangeOrder(body, context, idempotency));
  }

  @Get()
  @ApiOperation({ summary: 'Find exchange orders, newest first' })
  @ApiPage(ExchangeOrderResponse)
  @ApiTooBroad()
  @ApiErrors()
  async list(
    @Query() query: ListExchangeOrdersRequest,
    @Context() context: RequestContext,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const page = linkNextPage(reply, await this.queries.execute(new ListExchangeOrders(query, context)));
    return { ...page, data: page.data.map(toExchangeOrderResponse) };
  }

  @Get(':id')
  @ApiOperation({ summary: 'Read an exchange order' })
  @ApiExchangeOrderId()
  @ApiVersioned(ExchangeOrderResponse)
  @ApiErrors(404)
  async get(@Param('id') id: string, @Context() context: RequestContext) {
    return Answer.versioned(
      toExchangeOrderResponse(await this.queries.execute(new GetExchangeOrder(id, context))),
    );
  }

  @Get(':id/executions')
  @ApiOperation({ summary: 'Read what the venue has reported of an order' })
  @ApiExchangeOrderId()
  @ApiPage(ExecutionResponse)
  @ApiErrors(404)
  async executions(
    @Param('id') id: string,
    @Query() query: ListExecutionsRequest,
    @Context() context: RequestContext,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const page = linkNextPage(reply, await this.queries.execute(new ListExecutions(id, query, context)));
    return { ...page, data: page.data.map(toExecutionResponse) };
  }

  @Get(':id/transitions')
  @ApiOperation({ summary: 'Read whether an exchange order can be cancelled' })
  @ApiExchangeOrderId()
  @ApiOkResponse({
    type: ExchangeOrderTransitionsResponse,
    description: 'Its status, and what the caller may ask for.',
  })
  @ApiErrors(404)
  async transitions(
    @Param('id') id: string,
    @Context() context: RequestContext,
  ): Promise<ExchangeOrderTransitionsResponse> {
    const { status, version } = await this.queries.execute(new GetExchangeOrder(id, context));
    const allowed = exchangeOrderStatusMachine.allowed(status).filter((to) => to === 'cancel_pending');
    return { status, version, allowed };
  }

  @Delete(':id')
  @HttpCode(202)
  @ApiOperation({ summary: 'Ask the venue to cancel an order' })
  @ApiExchangeOrderId()
  @ApiAccepted(
    ExchangeOrderResponse,
    'The venue is asked. What becomes of it is told by the order: a fill may be faster.',
  )
  @ApiMayHaveNoVenue()
  @ApiIfMatch()
  @ApiConflicts('illegal_transition')
  @ApiErrors(404, 413, 415)
  @NoBody()
  cancel(@Param('id') id: string, @Context() context: RequestContext, @IfMatch() version?: number) {
    return this.commands.execute(new CancelExchangeOrder(id, context, version));
  }
}
