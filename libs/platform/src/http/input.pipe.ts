import { type ArgumentMetadata, type PipeTransform } from '@nestjs/common';
import { plainToInstance } from 'class-transformer';
import { type ValidationError, validateSync } from 'class-validator';

import { type FieldError, NotFound, ValidationFailed } from '../errors/domain-error.js';

// Keys through which JSON can reach a prototype. class-transformer would drop them silently; a client should hear of it.
const UNSAFE_KEYS = new Set(['__proto__', 'constructor', 'prototype']);
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
    return parseInput(metatype as new () => object, value, type);
  }
}

/**
 * Makes an instance of a DTO class from parsed JSON or a query.
 * @param name what to call the value itself when it is no object
 * @throws {ValidationFailed} naming every field that does not fit
 */
export function parseInput<T extends object>(type: new () => T, value: unknown, name: string): T {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ValidationFailed([{ path: name, message: 'must be a JSON object' }]);
  }
  const unsafe = findUnsafeKey(value, '');
  if (unsafe !== undefined) throw new ValidationFailed([{ path: unsafe, message: 'is not allowed' }]);
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

function findUnsafeKey(value: object, path: string): string | undefined {
  for (const key of Object.keys(value)) {
    const here = join(path, key);
    if (UNSAFE_KEYS.has(key)) return here;
    const child = (value as Record<string, unknown>)[key];
    if (typeof child !== 'object' || child === null) continue;
    const found = findUnsafeKey(child, here);
    if (found !== undefined) return found;
  }
  return undefined;
}

function toFieldErrors(errors: readonly ValidationError[], parent = ''): FieldError[] {
  return errors.flatMap((error) => {
    const path = join(parent, error.property);
    const messages = Object.entries(error.constraints ?? {}).map(([rule, message]) => ({
      path,
      message: describe(rule, message, error.property),
    }));
    return [...messages.slice(0, 1), ...toFieldErrors(error.children ?? [], path)];
  });
}

/** class-validator puts the property's name in front of its messages; the path says it better. */
function describe(rule: string, message: string, property: string): string {
  if (rule === 'whitelistValidation') return 'is not a known field';
  if (rule === 'nestedValidation') return 'must be an object';
  return message.startsWith(`${property} `) ? message.slice(property.length + 1) : message;
}

function join(parent: string, key: string): string {
  if (/^\d+$/.test(key) && parent !== '') return `${parent}[${key}]`;
  return parent === '' ? key : `${parent}.${key}`;
}
