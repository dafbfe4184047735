import { Body, Controller, Get, Headers, Post, Req, Res, UseGuards } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { AuthGuard, type AuthenticatedRequest } from './auth.guard.ts';
import { PlaceOrderDto } from './place-order.dto.ts';
import { PlaceOrder } from './place-order.ts';

@Controller()
export class OrdersController {
  constructor(private readonly placeOrder: PlaceOrder) {}

  @Post('api/v1/orders')
  @UseGuards(AuthGuard)
  async place(
    @Req() request: AuthenticatedRequest,
    @Headers('idempotency-key') key: string | undefined,
    @Body() body: PlaceOrderDto,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const answer = await this.placeOrder.execute(request.caller, key ?? '', body);
    if (answer.location !== null) reply.header('location', answer.location);
    if (answer.etag !== null) reply.header('etag', answer.etag);
    if (answer.replayed) reply.header('idempotent-replayed', 'true');
    // The stored text goes out as it is, so that a retry gets the same bytes.
    await reply.status(answer.status).type('application/json; charset=utf-8').send(answer.body);
  }

  @Get('health/ready')
  ready(): { status: string } {
    return { status: 'ok' };
  }
}
