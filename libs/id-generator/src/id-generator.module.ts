import { Module } from '@nestjs/common';
import { DataSource } from 'typeorm';

import { CONFIG, type DaybookConfig } from '@daybook/platform';

import { GaplessIdGenerator } from './gapless.id-generator.js';
import { IdGenerator } from './id-generator.js';
import { NumberPreparation } from './number-preparation.js';
import { OldNumberRemoval } from './old-number-removal.js';
import { SequenceIdGenerator } from './sequence.id-generator.js';

@Module({
  providers: [
    {
      provide: IdGenerator,
      inject: [DataSource, CONFIG],
      useFactory: (database: DataSource, config: DaybookConfig): IdGenerator => {
        const Generator = config.orderNumberStrategy === 'gapless' ? GaplessIdGenerator : SequenceIdGenerator;
        return new Generator(database, config.businessTimezone);
      },
    },
    NumberPreparation,
    OldNumberRemoval,
  ],
  exports: [IdGenerator],
})
export class IdGeneratorModule {}
