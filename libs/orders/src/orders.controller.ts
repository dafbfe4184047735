import { Body, Controller, Get, HttpCode, Param, Patch, Post, Query, Res } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import {
  ApiBearerAuth,
  ApiBody,
  ApiExtraModels,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';

import {
  Answer,
  ApiConflicts,
  ApiCreated,
  ApiErrors,
  ApiFiles,
  ApiIdempotent,
  ApiIfMatch,
  ApiPage,
  ApiReplayable,
  ApiTooBroad,
  ApiVersioned,
  Context,
  Idempotency,
  type IdempotencyClaim,
  IfMatch,
  isOperator,
  linkNextPage,
  type RequestContext,
  Roles,
  StreamedAnswers,
} from '@daybook/platform';

import { ChangeOrderStatus } from './change-order-status/change-order-status.command.js';
import { ChangeOrderStatusRequest } from './change-order-status/change-order-status.dto.js';
import { ExportedOrderResponse, ExportOrdersRequest } from './export-orders/export-orders.dto.js';
import { ExportOrders } from './export-orders/export-orders.query.js';
import { GetOrder } from './get-order/get-order.query.js';
import { ListOrdersRequest } from './list-orders/list-orders.dto.js';
import { ListOrders } from './list-orders/list-orders.query.js';
import { orderStatusMachine } from './order-status.js';
import {
  ApiOrderId,
  OrderResponse,
  OrderStatusResponse,
  OrderTransitionsResponse,
  toOrderResponse,
  toOrderStatusResponse,
} from './order.dto.js';
import { PlaceOrder } from './place-order/place-order.command.js';
import { PlaceOrderRequest } from './place-order/place-order.dto.js';
import { PlaceOrdersInBulk } from './place-orders-in-bulk/place-orders-in-bulk.command.js';
import {
  BulkOrderRequest,
  BulkResultsResponse,
  PlaceOrdersInBulkRequest,
} from './place-orders-in-bulk/place-orders-in-bulk.dto.js';

// The demo catalogue has these, so that Swagger UI's "Try it out" works as it is.
const EXAMPLE_ORDER = {
  lines: [
    { sku: 'TEA-EARL-GREY', quantity: 2 },
    { sku: 'TEA-SENCHA', quantity: 1 },
  ],
};
const EXAMPLE_ORDERS = {
  orders: [EXAMPLE_ORDER, { lines: [{ sku: 'POT-1L', quantity: 1 }], priority: 'high' }],
};

@ApiTags('Orders')
@ApiBearerAuth()
@ApiExtraModels(BulkOrderRequest)
@Roles('customer', 'operator')
@Controller('orders')
export class OrdersController {
  constructor(
    private readonly commands: CommandBus,
    private readonly queries: QueryBus,
    private readonly streams: StreamedAnswers,
  ) {}

  @Post()
  @ApiOperation({ summary: 'Place an order' })
  @ApiBody({ type: PlaceOrderRequest, examples: { order: { summary: 'Two teas', value: EXAMPLE_ORDER } } })
  @ApiCreated(OrderResponse, { versioned: true })
  @ApiIdempotent()
  @ApiConflicts(
    'insufficient_stock',
    'product_inactive',
    'reservation_not_active',
    'duplicate_client_order_id',
    'idempotency_in_flight',
  )
  @ApiErrors(404, 413, 415)
  place(
    @Body() body: PlaceOrderRequest,
    @Context() context: RequestContext,
    @Idempotency() idempotency?: IdempotencyClaim,
  ) {
    return this.commands.execute(new PlaceOrder(body, context, idempotency));
  }

  @Post('bulk')
  @HttpCode(200)
  @ApiOperation({ summary: 'Place up to 500 orders, each on its own' })
  @ApiBody({
    type: PlaceOrdersInBulkRequest,
    examples: { orders: { summary: 'Two orders', value: EXAMPLE_ORDERS } },
  })
  @ApiReplayable(BulkResultsResponse, 'One result per row, in order. Look at each: some may be refused.')
  @ApiIdempotent()
  @ApiErrors(413, 415)
  placeInBulk(
    @Body() body: PlaceOrdersInBulkRequest,
    @Context() context: RequestContext,
    @Idempotency() idempotency?: IdempotencyClaim,
  ) {
    return this.commands.execute(new PlaceOrdersInBulk(body, context, idempotency));
  }

  @Get()
  @ApiOperation({ summary: 'Find orders' })
  @ApiPage(OrderResponse, { counted: true })
  @ApiTooBroad()
  @ApiErrors()
  async list(
    @Query() query: ListOrdersRequest,
    @Context() context: RequestContext,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const page = linkNextPage(reply, await this.queries.execute(new ListOrders(query, context)));
    return { ...page, data: page.data.map(toOrderResponse) };
  }

  @Get('export')
  @ApiOperation({ summary: 'Export orders as NDJSON or CSV' })
  @ApiFiles('All orders that fit, one per row. A file that does not end properly is not all of it.', {
    'application/x-ndjson': ExportedOrderResponse,
    'text/csv': 'text',
  })
  @ApiTooBroad()
  @ApiErrors()
  async export(
    @Query() query: ExportOrdersRequest,
    @Context() context: RequestContext,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    return this.streams.send(reply, context, await this.queries.execute(new ExportOrders(query, context)));
  }

  @Get(':id')
  @ApiOperation({ summary: 'Read an order' })
  @ApiOrderId()
  @ApiVersioned(OrderResponse)
  @ApiErrors(404)
  async get(@Param('id') id: string, @Context() context: RequestContext) {
    return Answer.versioned(toOrderResponse(await this.queries.execute(new GetOrder(id, context))));
  }

  @Get(':id/status')
  @ApiOperation({ summary: 'Read only the status of an order' })
  @ApiOrderId()
  @ApiVersioned(OrderStatusResponse)
  @ApiErrors(404)
  async status(@Param('id') id: string, @Context() context: RequestContext) {
    return Answer.versioned(toOrderStatusResponse(await this.queries.execute(new GetOrder(id, context))));
  }

  @Get(':id/transitions')
  @ApiOperation({ summary: 'Read which moves are allowed now' })
  @ApiOrderId()
  @ApiOkResponse({ type: OrderTransitionsResponse, description: 'The moves that the caller may make.' })
  @ApiErrors(404)
  async transitions(
    @Param('id') id: string,
    @Context() context: RequestContext,
  ): Promise<OrderTransitionsResponse> {
    const { status, version } = await this.queries.execute(new GetOrder(id, context));
    const allowed = orderStatusMachine.allowed(status);
    return { status, version, allowed: allowed.filter((to) => isOperator(context) || to === 'cancelled') };
  }

  @Patch(':id')
  @ApiOperation({ summary: 'Move or cancel an order' })
  @ApiOrderId()
  @ApiVersioned(OrderResponse, 'The order after the move.')
  @ApiIfMatch()
  @ApiConflicts('illegal_transition', 'insufficient_stock')
  @ApiErrors(404, 413, 415)
  change(
    @Param('id') id: string,
    @Body() body: ChangeOrderStatusRequest,
    @Context() context: RequestContext,
    @IfMatch() version?: number,
  ) {
    return this.commands.execute(new ChangeOrderStatus(id, body, context, version));
  }
}
