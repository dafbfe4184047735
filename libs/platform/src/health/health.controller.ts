import { Controller, Get, Inject, Injectable } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { DataSource } from 'typeorm';

import { Public } from '../auth/auth.guard.js';
import { DatabaseUnavailable, Overloaded } from '../errors/domain-error.js';

/** Tells load balancers to look elsewhere while the last requests are being answered. */
@Injectable()
export class Readiness {
  isStopping = false;
}

@ApiExcludeController()
@Public()
@Controller('health')
export class HealthController {
  constructor(
    @Inject(DataSource) private readonly database: DataSource,
    private readonly readiness: Readiness,
  ) {}

  /** The process answers. */
  @Get('live')
  live() {
    return { status: 'ok' };
  }

  /** The process can serve: it is not stopping, and its database answers. */
  @Get('ready')
  async ready() {
    if (this.readiness.isStopping) throw new Overloaded('The server is stopping.');
    await this.database.query('SELECT 1').catch(() => {
      throw new DatabaseUnavailable();
    });
    return { status: 'ok' };
  }
}
