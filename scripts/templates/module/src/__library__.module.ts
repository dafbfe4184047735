import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';

import { __Library__Controller } from './__library__.controller.js';
import { __Singular__ } from './__singular__.entity.js';
import { Create__Singular__Handler } from './create-__singular__/create-__singular__.command.js';

@Module({
  imports: [TypeOrmModule.forFeature([__Singular__])],
  controllers: [__Library__Controller],
  providers: [Create__Singular__Handler],
})
export class __Library__Module {}
