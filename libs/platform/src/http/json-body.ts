import { isUtf8 } from 'node:buffer';
import type { Readable } from 'node:stream';

import { PayloadTooLarge, ValidationFailed } from '../errors/domain-error.js';

// The largest legal request, 500 orders of 100 lines with the longest SKUs, keys and names, is about 6 MB.
const BODY_LIMIT_BYTES = 8 * 1024 * 1024;
const PATIENCE_BYTES = 64 * 1024 * 1024;
// Keys that every object has, and through some of which JSON can reach a prototype. class-transformer would drop them
// silently; a client should hear of it.
const UNSAFE_KEYS = new Set([...Object.getOwnPropertyNames(Object.prototype), 'prototype']);
// The deepest legal input, a line of an order of a bulk, is at depth 5. Whoever walks a body may do so recursively.
const MAXIMUM_DEPTH = 10;
const SHOWN_KEY_LENGTH = 64;
const BYTE_ORDER_MARK = /^\uFEFF/;

/**
 * Reads a request body and parses it. One that is too large is read to its end, though not kept: a client that is still
 * sending when the connection closes would see a reset, and never the answer. Beyond some size that must do.
 * @param keep gets the bytes as they arrived, for whoever has to check a signature of them
 */
export function readJsonBody(
  payload: Readable,
  done: (error: Error | null, body?: unknown) => void,
  keep: (bytes: Buffer) => void = () => undefined,
): void {
  const chunks: Buffer[] = [];
  let length = 0;
  let isSettled = false;
  const settle = (error: Error | null, body?: unknown) => {
    if (isSettled) return;
    isSettled = true;
    done(error, body);
  };
  payload.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length <= BODY_LIMIT_BYTES) chunks.push(chunk);
    else if (length > PATIENCE_BYTES) settle(new PayloadTooLarge());
  });
  payload.on('end', () => {
    if (length > BODY_LIMIT_BYTES) settle(new PayloadTooLarge());
    else parseBytes(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks), keep, settle);
  });
  payload.on('error', () => settle(refused('body', 'must arrive as a whole')));
}

function parseBytes(
  bytes: Buffer,
  keep: (bytes: Buffer) => void,
  settle: (error: Error | null, body?: unknown) => void,
): void {
  let body: unknown;
  try {
    keep(bytes);
    body = parseJsonBody(bytes);
  } catch (error) {
    settle(error as Error);
    return;
  }
  settle(null, body);
}

/**
 * Parses a request body and refuses what no route could want: malformed UTF-8 (decoding would put other text in its
 * place), unsafe keys, deep nesting, lists of lists. An empty body is no body.
 * @throws {ValidationFailed} naming `body`, or the field
 */
export function parseJsonBody(bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined;
  if (!isUtf8(bytes)) throw refused('body', 'must be UTF-8');
  const body = parse(bytes.toString().replace(BYTE_ORDER_MARK, ''));
  refuseUnwanted(body);
  return body;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) throw refused('body', 'must be JSON');
    throw error;
  }
}

/**
 * Looks through parsed JSON, or a query, for what no DTO takes and what could harm whoever walks it.
 * @throws {ValidationFailed} naming the first such field
 */
export function refuseUnwanted(input: unknown): void {
  const unwanted = findUnwanted(input, 1);
  if (unwanted === undefined) return;
  throw refused(unwanted.keys.reduce(joinPath, Array.isArray(input) ? 'body' : ''), unwanted.message);
}

interface Unwanted {
  /** Outermost first. */
  readonly keys: string[];
  readonly message: string;
}

function findUnwanted(value: unknown, depth: number): Unwanted | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const isList = Array.isArray(value);
  for (const key of Object.keys(value)) {
    const child = (value as Record<string, unknown>)[key];
    const found = complaint(key, child, isList, depth) ?? findUnwanted(child, depth + 1);
    if (found === undefined) continue;
    return typeof found === 'string'
      ? { keys: [key], message: found }
      : { keys: [key, ...found.keys], message: found.message };
  }
  return undefined;
}

function complaint(key: string, child: unknown, isInList: boolean, depth: number): string | undefined {
  if (!isInList && UNSAFE_KEYS.has(key)) return 'is not allowed';
  // class-validator checks the items of a list of lists in place of the lists, and lets the lists through.
  if (isInList && Array.isArray(child)) return 'must not be a list';
  return depth === MAXIMUM_DEPTH && typeof child === 'object' ? 'is nested too deeply' : undefined;
}

/** `lines` and `0` -> `lines[0]`; `lines[0]` and `sku` -> `lines[0].sku`. What a client made up is shown shortened. */
export function joinPath(parent: string, key: string): string {
  const shown = key.length > SHOWN_KEY_LENGTH ? `${key.slice(0, SHOWN_KEY_LENGTH)}…` : key;
  if (parent === '') return shown;
  return /^\d+$/.test(shown) ? `${parent}[${shown}]` : `${parent}.${shown}`;
}

function refused(path: string, message: string): ValidationFailed {
  return new ValidationFailed([{ path, message }]);
}
