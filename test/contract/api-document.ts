import type { OpenAPIObject } from '@nestjs/swagger';

import { request, type TestApp } from '../support/app.js';

type PathItem = OpenAPIObject['paths'][string];
export type OperationObject = NonNullable<PathItem['get']>;
export type Schema = Exclude<
  NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>[string],
  Reference
>;

/** One operation of the OpenAPI document. */
export interface Operation {
  /** `PATCH /api/v1/orders/{id}` */
  readonly route: string;
  readonly method: string;
  /** With its parameters in braces. */
  readonly path: string;
  readonly operation: OperationObject;
}

const METHODS = ['get', 'post', 'put', 'patch', 'delete', 'head', 'options'] as const;

/** The document as the server gives it to everybody. */
export async function servedDocument({ origin }: TestApp): Promise<OpenAPIObject> {
  return (await request(origin, 'GET', '/openapi.json')).body as OpenAPIObject;
}

export function operationsOf({ paths }: OpenAPIObject): Operation[] {
  return Object.entries(paths).flatMap(([path, item]) =>
    METHODS.flatMap((key) => {
      const operation = item[key];
      const method = key.toUpperCase();
      return operation === undefined ? [] : [{ route: `${method} ${path}`, method, path, operation }];
    }),
  );
}

type Reference = { readonly $ref: string };

/** What a reference refers to; what is none is itself. */
export function resolve<T extends object>(document: OpenAPIObject, item: T): Exclude<T, Reference> {
  if (!('$ref' in item)) return item as Exclude<T, Reference>;
  const keys = String(item.$ref).replace(/^#\//, '').split('/');
  const found = keys.reduce<unknown>((object, key) => (object as Record<string, unknown>)[key], document);
  if (found === undefined) throw new Error(`The document has no ${String(item.$ref)}`);
  return resolve(document, found as T);
}

/** The schema of an operation's JSON body, if it has one. */
export function bodySchemaOf(document: OpenAPIObject, { operation }: Operation): Schema | undefined {
  if (operation.requestBody === undefined) return undefined;
  const { content } = resolve(document, operation.requestBody);
  const schema = content['application/json']?.schema;
  return schema === undefined ? undefined : resolve(document, schema);
}
