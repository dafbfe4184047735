import { type ArgumentMetadata, type PipeTransform } from '@nestjs/common';
import { plainToInstance } from 'class-transformer';
import { type ValidationError, validateSync } from 'class-validator';

import { type FieldError, NotFound, ValidationFailed } from '../errors/domain-error.js';
import { CompiledRules } from './compiled-rules.js';
import { joinPath, refuseUnwanted } from './json-body.js';

const MAXIMUM_ERRORS = 20;

/**
 * Turns bodies and queries into their DTO classes and refuses whatever does not fit, naming each field as the client
 * wrote it. Unknown fields are refused too: a misspelt option must not be ignored.
 */
export class InputPipe implements PipeTransform {
  transform(value: unknown, { type, metatype }: ArgumentMetadata): unknown {
    // No resource has a control character in its name, and PostgreSQL refuses text with a NUL in it.
    if (type === 'param' && /\p{Cc}/u.test(String(value))) throw new NotFound('There is nothing here.');
    if (metatype === undefined || (type !== 'body' && type !== 'query')) return value;
    // A body was looked through when it was parsed.
    if (type === 'query') refuseUnwanted(value);
    return parseInput(metatype as new () => object, value, type);
  }
}

/**
 * Checks parsed JSON or a query against a DTO class. What passes the compiled rules is answered as it is: a DTO is data,
 * and its class nothing but the rules it has to keep.
 * @param name what to call the value itself when it is no object
 * @throws {ValidationFailed} naming every field that does not fit
 */
export function parseInput<T extends object>(type: new () => T, value: unknown, name: string): T {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ValidationFailed([{ path: name, message: 'must be a JSON object' }]);
  }
  if (CompiledRules.of(type).accept(value)) return value as T;
  const input = plainToInstance(type, value);
  const errors = validateSync(input, {
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
    validationError: { target: false },
  });
  if (errors.length > 0) throw new ValidationFailed(toFieldErrors(errors).slice(0, MAXIMUM_ERRORS));
  return input;
}

/** One message for a field that does not fit; what is inside it matters only when it fits itself. */
function toFieldErrors(errors: readonly ValidationError[], parent = ''): FieldError[] {
  return errors.flatMap((error) => {
    const path = joinPath(parent, error.property);
    const message = mostBasic(error);
    return message === undefined ? toFieldErrors(error.children ?? [], path) : [{ path, message }];
  });
}

/**
 * Of all rules that a field breaks, the one its decorator names last, which is the one about its type: of a text where
 * a number belongs it is of no use to say that it is too large.
 */
function mostBasic({ constraints = {}, property }: ValidationError): string | undefined {
  const { whitelistValidation, nestedValidation, ...rules } = constraints;
  if (whitelistValidation !== undefined) return 'is not a known field';
  const message = Object.values(rules).at(-1);
  if (message === undefined) return nestedValidation === undefined ? undefined : 'must be an object';
  // class-validator puts the property's name in front of its messages; the path says it better.
  return message.startsWith(`${property} `) ? message.slice(property.length + 1) : message;
}
