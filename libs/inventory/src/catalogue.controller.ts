import { Body, Controller, Get, Param, Patch, Post, Query, Res } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';

import {
  Answer,
  ApiConflicts,
  ApiCreated,
  ApiErrors,
  ApiIdempotent,
  ApiIfMatch,
  ApiPage,
  ApiVersioned,
  Context,
  Idempotency,
  type IdempotencyClaim,
  IfMatch,
  linkNextPage,
  type RequestContext,
  Roles,
} from '@daybook/platform';

import { ChangeProduct } from './change-product/change-product.command.js';
import { ChangeProductRequest } from './change-product/change-product.dto.js';
import { CreateProduct } from './create-product/create-product.command.js';
import { CreateProductRequest } from './create-product/create-product.dto.js';
import { GetProduct } from './get-product/get-product.query.js';
import { StockResponse } from './get-stock/get-stock.dto.js';
import { GetStock } from './get-stock/get-stock.query.js';
import { ListProductsRequest } from './list-products/list-products.dto.js';
import { ListProducts } from './list-products/list-products.query.js';
import { ApiSku, ProductResponse, toProductResponse } from './product.dto.js';

@ApiTags('Catalogue and stock')
@ApiBearerAuth()
@Controller('products')
export class CatalogueController {
  constructor(
    private readonly commands: CommandBus,
    private readonly queries: QueryBus,
  ) {}

  @Post()
  @Roles('operator')
  @ApiOperation({ summary: 'Create a product' })
  @ApiCreated(ProductResponse, { versioned: true })
  @ApiIdempotent()
  @ApiConflicts('duplicate_sku')
  @ApiErrors(413, 415)
  create(
    @Body() body: CreateProductRequest,
    @Context() context: RequestContext,
    @Idempotency() idempotency?: IdempotencyClaim,
  ) {
    return this.commands.execute(new CreateProduct(body, context, idempotency));
  }

  @Get()
  @Roles('customer', 'operator')
  @ApiOperation({ summary: 'List products by SKU' })
  @ApiPage(ProductResponse)
  @ApiErrors()
  async list(@Query() query: ListProductsRequest, @Res({ passthrough: true }) reply: FastifyReply) {
    const page = linkNextPage(reply, await this.queries.execute(new ListProducts(query)));
    return { ...page, data: page.data.map(toProductResponse) };
  }

  @Get(':sku')
  @Roles('customer', 'operator')
  @ApiOperation({ summary: 'Read a product' })
  @ApiSku()
  @ApiVersioned(ProductResponse)
  @ApiErrors(404)
  async get(@Param('sku') sku: string) {
    return Answer.versioned(toProductResponse(await this.queries.execute(new GetProduct(sku))));
  }

  @Patch(':sku')
  @Roles('operator')
  @ApiOperation({ summary: 'Change a product: its name, its price, whether it is for sale' })
  @ApiSku()
  @ApiVersioned(ProductResponse, 'The product as it is now.')
  @ApiIfMatch()
  @ApiErrors(404, 413, 415)
  change(
    @Param('sku') sku: string,
    @Body() body: ChangeProductRequest,
    @Context() context: RequestContext,
    @IfMatch() version?: number,
  ) {
    return this.commands.execute(new ChangeProduct(sku, body, context, version));
  }

  @Get(':sku/stock')
  @Roles('operator')
  @ApiOperation({ summary: 'Read the stock of a product, in all and per warehouse' })
  @ApiSku()
  @ApiOkResponse({ type: StockResponse, description: 'The stock as it is now.' })
  @ApiErrors(404)
  stock(@Param('sku') sku: string) {
    return this.queries.execute(new GetStock(sku));
  }
}
