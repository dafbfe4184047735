import { Body, Controller, Get, Post, Query, Res } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';

import {
  ApiConflicts,
  ApiCreated,
  ApiErrors,
  ApiIdempotent,
  ApiPage,
  Context,
  Idempotency,
  type IdempotencyClaim,
  linkNextPage,
  type RequestContext,
  Roles,
} from '@daybook/platform';

import { AdjustStock } from './adjust-stock/adjust-stock.command.js';
import { AdjustStockRequest, StockAdjustmentResponse } from './adjust-stock/adjust-stock.dto.js';
import { CreateWarehouse } from './create-warehouse/create-warehouse.command.js';
import { CreateWarehouseRequest } from './create-warehouse/create-warehouse.dto.js';
import { ListWarehousesRequest } from './list-warehouses/list-warehouses.dto.js';
import { ListWarehouses } from './list-warehouses/list-warehouses.query.js';
import { toWarehouseResponse, WarehouseResponse } from './warehouse.dto.js';

@ApiTags('Catalogue and stock')
@ApiBearerAuth()
@Roles('operator')
@Controller()
export class WarehousesController {
  constructor(
    private readonly commands: CommandBus,
    private readonly queries: QueryBus,
  ) {}

  @Post('warehouses')
  @ApiOperation({ summary: 'Create a warehouse' })
  @ApiCreated(WarehouseResponse)
  @ApiIdempotent()
  @ApiConflicts('duplicate_warehouse')
  @ApiErrors(413, 415)
  create(
    @Body() body: CreateWarehouseRequest,
    @Context() context: RequestContext,
    @Idempotency() idempotency?: IdempotencyClaim,
  ) {
    return this.commands.execute(new CreateWarehouse(body, context, idempotency));
  }

  @Get('warehouses')
  @ApiOperation({ summary: 'List warehouses by code' })
  @ApiPage(WarehouseResponse)
  @ApiErrors()
  async list(@Query() query: ListWarehousesRequest, @Res({ passthrough: true }) reply: FastifyReply) {
    const page = linkNextPage(reply, await this.queries.execute(new ListWarehouses(query)));
    return { ...page, data: page.data.map(toWarehouseResponse) };
  }

  @Post('stock-adjustments')
  @ApiOperation({ summary: 'Receive stock, or correct it' })
  @ApiCreated(StockAdjustmentResponse)
  @ApiIdempotent()
  @ApiConflicts('insufficient_stock')
  @ApiErrors(413, 415)
  adjust(
    @Body() body: AdjustStockRequest,
    @Context() context: RequestContext,
    @Idempotency() idempotency?: IdempotencyClaim,
  ) {
    return this.commands.execute(new AdjustStock(body, context, idempotency));
  }
}
