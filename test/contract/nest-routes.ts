import { RequestMethod, type Type } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { DiscoveryService, MetadataScanner, Reflector } from '@nestjs/core';

import { type Access, declaredAccess } from '@daybook/platform';

import type { TestApp } from '../support/app.js';

/** A route as the router has it, whether the OpenAPI document knows it or not. */
export interface NestRoute {
  /** `PATCH /api/v1/orders/{id}` */
  readonly route: string;
  /** `OrdersController.change` */
  readonly handler: string;
  readonly access: Access | undefined;
}

// What operators' tools ask for is outside the base path, so that it outlives its version; and what has it in its own path.
const WHOLE = /^\/(health\/|metrics$|api\/)/;

/** Every route of every controller. */
export function routesOf({ app }: TestApp): NestRoute[] {
  const reflector = app.get(Reflector);
  const scanner = new MetadataScanner();
  return app
    .get(DiscoveryService, { strict: false })
    .getControllers()
    .flatMap(({ metatype }) => {
      const controller = metatype as Type;
      return scanner.getAllMethodNames(controller.prototype).flatMap((name) => {
        const handler = controller.prototype[name] as () => unknown;
        const method = Reflect.getMetadata(METHOD_METADATA, handler) as RequestMethod | undefined;
        if (method === undefined) return [];
        const path = [controller, handler]
          .map((target) => (Reflect.getMetadata(PATH_METADATA, target) as string).replaceAll(/^\/|\/$/g, ''))
          .filter((part) => part !== '')
          .map((part) => `/${part}`)
          .join('');
        const full = WHOLE.test(path) ? path : `/api/v1${path}`;
        return {
          route: `${RequestMethod[method]} ${full.replaceAll(/:(\w+)/g, '{$1}')}`,
          handler: `${controller.name}.${name}`,
          access: declaredAccess(reflector, handler, controller),
        };
      });
    });
}
