import { hello } from '@daybook/platform';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Module, Controller, Get } from '@nestjs/common';
@Controller()
class C { @Get() x() { return hello(); } }
@Module({ controllers: [C] })
class AppModule {}
const app = await NestFactory.create(AppModule, new FastifyAdapter());
await app.listen(3999);
console.log(process.version, import.meta.dirname);
