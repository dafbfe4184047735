import { type DynamicModule, Module } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';

import { AuditModule } from '@daybook/audit';
import { ExchangeModule } from '@daybook/exchange';
import { InventoryModule } from '@daybook/inventory';
import { MetricsModule, ReportsModule } from '@daybook/metrics';
import { OrdersModule } from '@daybook/orders';
import { type DaybookConfig, PlatformModule } from '@daybook/platform';
import { ProcessingModule } from '@daybook/processing';

import { ReconcileStock } from './doctor/reconcile-stock.job.js';
import { StockDriftGauge } from './doctor/stock-drift-gauge.js';

/** The modules Daybook is made of. A new one is added here and in tsconfig.json, nowhere else. */
const MODULES = [
  InventoryModule,
  OrdersModule,
  ProcessingModule,
  ExchangeModule,
  AuditModule,
  MetricsModule,
  ReportsModule,
];

@Module({})
export class AppModule {
  static forRoot(config: DaybookConfig & { readonly databaseUrl: string }): DynamicModule {
    return {
      module: AppModule,
      imports: [PlatformModule.forRoot(config), ScheduleModule.forRoot(), ...MODULES],
      // They read across the modules, so they belong to none of them.
      providers: [ReconcileStock, StockDriftGauge],
    };
  }
}
