// The service a good engineer would write without group commit: an order is a request is a transaction.
import 'reflect-metadata';
import { Module, ValidationPipe } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { TypeOrmModule } from '@nestjs/typeorm';
import * as entities from './entities.ts';
import { CounterRowNumbers, OrderNumbers, SequenceNumbers } from './order-numbers.ts';
import { OrdersController } from './orders.controller.ts';
import { PlaceOrder } from './place-order.ts';

@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'postgres',
      url: process.env.DATABASE_URL ?? '',
      poolSize: Number(process.env.DATABASE_POOL_SIZE),
      entities: Object.values(entities),
    }),
  ],
  controllers: [OrdersController],
  providers: [
    PlaceOrder,
    {
      provide: OrderNumbers,
      useClass: process.env.ORDER_NUMBERS === 'sequence' ? SequenceNumbers : CounterRowNumbers,
    },
  ],
})
class AppModule {}

const app = await NestFactory.create<NestFastifyApplication>(AppModule, new FastifyAdapter(), {
  logger: ['warn', 'error'],
});
app.useGlobalPipes(new ValidationPipe({ whitelist: true, forbidNonWhitelisted: true, transform: true }));
app.enableShutdownHooks();
await app.listen(Number(process.env.PORT), '127.0.0.1');
