import type { OpenAPIObject } from '@nestjs/swagger';

import { bodySchemaOf, type Operation, resolve, type Schema } from './api-document.js';
import type { WireRequest } from './http-client.js';
import type { Random } from './random.js';

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** What is known to exist, so that generated requests meet it. The fuzzer adds what the answers tell. */
export interface Known {
  readonly sku: string[];
  readonly warehouse: string[];
  readonly order: string[];
  /** Newest first: they do not last. */
  readonly reservation: string[];
  /** Newest first: they are soon cancelled. */
  readonly exchange: string[];
  /** Of jobs. */
  readonly name: string[];
  readonly queue: string[];
  readonly cursor: string[];
  /** In the journal. */
  readonly position: string[];
  readonly key: string[];
}

const LETTERS = [...'abcXYZ019._-'];
const ODD = [
  '\0',
  '\n',
  '\u0085',
  '\ud800',
  '\u202e',
  '\u{1f375}',
  'é',
  "'",
  '"',
  '\\',
  '%',
  '$',
  '{',
  ' ',
  'İ',
  '\uffff',
];
const ODD_NUMBERS = [0, -0, -1, 0.1, 1e21, 2 ** 31, 2 ** 53, -(2 ** 63), 1e308, Number.MIN_VALUE];
const ODD_NAMES = [
  '',
  '0',
  'length',
  'toString',
  'sku',
  'x'.repeat(300),
  'a.b',
  'a[0]',
  '__proto__',
  'constructor',
];
const ODD_TEXTS = [
  '',
  ' ',
  'null',
  'NaN',
  '1e309',
  "'; DROP TABLE orders; --",
  '${1}',
  '../..',
  '%00',
  'x'.repeat(5_000),
];
const ENTITY_TYPES = ['order', 'reservation', 'product', 'exchange_order'];
const INSTRUMENTS = ['US0378331005', 'DE0007164600', 'GB0002634946'];
const ACTORS = ['alice', 'bob', 'operator-1', 'daybook'];
const HEADER_SAFE = [...'abc019-_ "\\é'];

/** Makes requests of an operation: most of them as the document says, the others off by a little or by a lot. */
export class RequestGenerator {
  /** The request gives a new product its SKU, so that one that exists would be refused. */
  private isNaming = false;

  constructor(
    private readonly random: Random,
    private readonly document: OpenAPIObject,
    private readonly known: Known,
    private readonly tokens: readonly (string | undefined)[],
  ) {}

  request(operation: Operation): WireRequest {
    const schema = bodySchemaOf(this.document, operation);
    this.isNaming = operation.path.endsWith('/products');
    const hasBody = schema !== undefined ? !this.random.chance(0.02) : this.random.chance(0.02);
    const body = hasBody ? this.body(schema) : undefined;
    return {
      method: operation.method,
      path: `${this.path(operation)}${this.query(operation)}`,
      headers: {
        ...this.headers(operation),
        ...(body !== undefined && { 'content-type': this.contentType() }),
      },
      body,
    };
  }

  private path({ path }: Operation): string {
    return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
      const existing = this.known[this.thingOf(path, name)];
      if (existing.length > 0 && this.random.chance(0.85)) return encodeURIComponent(this.someOf(existing));
      if (this.random.chance(0.1))
        return this.random.pick(['%', '%ff', '%ED%A0%80', 'x'.repeat(600), '%2e%2e', '%00']);
      return encodeURIComponent(this.oddText().toWellFormed());
    });
  }

  /** What a parameter of a path names. */
  private thingOf(
    path: string,
    name: string,
  ): 'reservation' | 'order' | 'exchange' | 'queue' | 'name' | 'sku' {
    if (name === 'id' && path.includes('/exchange/')) return 'exchange';
    if (name === 'id') return path.includes('/reservations/') ? 'reservation' : 'order';
    return path.includes('/queues/') ? 'queue' : (name as 'name' | 'sku');
  }

  /** Mostly of the first few, of which more is known: more requests get past the first question. */
  private someOf(existing: readonly string[]): string {
    return this.random.pick(this.random.chance(0.85) ? existing.slice(0, 8) : existing);
  }

  private query({ operation }: Operation): string {
    const parameters = (operation.parameters ?? []).map((item) => resolve(this.document, item));
    const chosen = parameters.filter(({ in: place }) => place === 'query' && this.random.chance(0.4));
    const pairs = chosen.map(({ name, schema }) => [name, this.queryValue(name, schema as Schema)] as const);
    if (this.random.chance(0.05)) pairs.push([this.random.pick(ODD_NAMES), '1']);
    if (this.random.chance(0.05) && pairs[0] !== undefined) pairs.push(pairs[0]);
    const text = pairs.map(([name, value]) => `${encodeURIComponent(name)}=${value}`).join('&');
    return text === '' ? '' : `?${text}`;
  }

  private queryValue(name: string, schema: Schema): string {
    if (name === 'cursor' && this.known.cursor.length > 0 && this.random.chance(0.7)) {
      const cursor = this.random.pick(this.known.cursor);
      return this.random.chance(0.2) ? cursor.slice(this.random.whole(0, cursor.length)) : cursor;
    }
    // Where nothing comes, whoever waits waits in vain.
    const allowed = name === 'waitSeconds' ? { ...schema, maximum: 1 } : schema;
    const value = this.random.chance(0.8) ? this.valid(allowed, name) : this.oddText();
    return encodeURIComponent((typeof value === 'string' ? value : JSON.stringify(value)).toWellFormed());
  }

  private headers({ operation }: Operation): Record<string, string> {
    const token = this.random.pick(this.tokens);
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    for (const item of operation.parameters ?? []) {
      const { name, in: place } = resolve(this.document, item);
      if (place === 'header' && this.random.chance(0.4)) headers[name] = this.headerValue(name);
    }
    if (this.random.chance(0.1)) headers['x-request-id'] = this.oddHeader();
    return headers;
  }

  private headerValue(name: string): string {
    if (this.random.chance(0.1)) return this.oddHeader();
    if (name === 'Last-Event-ID') return this.someOf(this.known.position);
    if (name === 'If-Match') return this.random.pick(['"1"', '"2"', 'W/"3"', '*']);
    // Half of the keys are used again, some of them for the same request.
    if (this.known.key.length > 0 && this.random.chance(0.5)) return this.random.pick(this.known.key);
    const key = this.random.text(12, LETTERS);
    this.known.key.push(key);
    return key;
  }

  private oddHeader(): string {
    return this.random.text(this.random.whole(0, 300), HEADER_SAFE);
  }

  private contentType(): string {
    if (this.random.chance(0.97)) return 'application/json';
    return this.random.pick([
      'text/plain',
      'application/x-www-form-urlencoded',
      'application/json; charset=latin1',
      'x',
    ]);
  }

  private body(schema: Schema | undefined): string {
    const value = schema === undefined ? this.odd(2) : this.valid(schema, '');
    const mutated = this.random.chance(0.5) ? value : this.mutated(value);
    const text = JSON.stringify(mutated);
    if (this.random.chance(0.95)) return text;
    const cut = this.random.whole(0, text.length);
    return `${text.slice(0, cut)}${this.random.pick(['', '}', '\u0007', '"', ',', '1e309'])}${text.slice(cut + 1)}`;
  }

  /** A value that the schema allows; of names that exist, where it is about something by name. */
  private valid(item: Schema | { readonly $ref: string }, name: string): Json {
    const schema = resolve(this.document, item);
    if (schema.enum !== undefined) return this.random.pick(schema.enum as Json[]);
    switch (schema.type ?? 'string') {
      case 'object':
        return this.validObject(schema);
      case 'array': {
        const length = this.random.whole(schema.minItems ?? 0, Math.min(schema.maxItems ?? 4, 4));
        return Array.from({ length }, () => this.valid(schema.items as Schema, name));
      }
      case 'integer':
      case 'number':
        return this.validNumber(schema);
      case 'boolean':
        return this.random.chance(0.8);
      default:
        return this.validText(schema, name);
    }
  }

  private validObject(schema: Schema): Json {
    const properties = Object.entries(schema.properties ?? {});
    // An order has either lines or a reservation, though no schema says so.
    const hasReservation = properties.some(([name]) => name === 'reservationId') && this.random.chance(0.4);
    const members = properties.filter(([name]) => {
      if (name === 'reservationId') return hasReservation || this.random.chance(0.02);
      if (name === 'lines' && hasReservation) return this.random.chance(0.05);
      return name === 'lines' || schema.required?.includes(name) || this.random.chance(0.3);
    });
    const object = Object.fromEntries(members.map(([name, child]) => [name, this.valid(child, name)]));
    return 'instrument' in object && this.random.chance(0.9) ? this.priced(object) : object;
  }

  /** An exchange order has a limit price or none by its type, though no schema says so. */
  private priced(order: Record<string, Json>): Json {
    const { limitPriceCents = this.random.whole(1, 40_000), ...others } = order;
    return others['type'] === 'limit' ? { ...others, limitPriceCents } : others;
  }

  private validNumber({ minimum = -1000, maximum = 1000 }: Schema): number {
    if (this.random.chance(0.1)) return this.random.pick([minimum, maximum]);
    return this.random.whole(Math.max(minimum, -20), Math.min(maximum, 20));
  }

  private validText({ maxLength = 20, format, pattern }: Schema, name: string): string {
    if (format === 'uuid') {
      const { reservation } = this.known;
      const isKnown = reservation.length > 0 && this.random.chance(0.95);
      return isKnown ? this.someOf(reservation) : '7d444840-9dc0-11d1-b245-5ffdce74fad2';
    }
    if (name === 'after') return this.someOf(this.known.position);
    if (pattern === '^[A-Z]{3}$') return this.random.pick(['USD', 'EUR', 'JPY', 'XYZ']);
    if (format === 'date-time') {
      const at = Date.now() + this.random.whole(-1_000_000, 1_000_000) * 1000;
      return new Date(at).toISOString();
    }
    const existing = this.thingsOf(name);
    if (existing.length > 0 && this.random.chance(this.isNaming ? 0.2 : 0.9)) return this.someOf(existing);
    const length = this.random.chance(0.05) ? maxLength : this.random.whole(1, Math.min(maxLength, 8));
    const text = this.random.text(length, LETTERS);
    return name === 'code' || name === 'warehouse' ? text.toLowerCase().replaceAll(/[._]/g, '-') : text;
  }

  /** What a field of a body or a parameter of a query may name. */
  private thingsOf(name: string): readonly string[] {
    const { sku, warehouse, order: orderIds } = this.known;
    return (
      {
        sku,
        warehouse,
        orderIds,
        entityId: orderIds,
        entityType: ENTITY_TYPES,
        actor: ACTORS,
        instrument: INSTRUMENTS,
      }[name] ?? []
    );
  }

  /** A copy in which one place, at whatever depth, is something else. */
  private mutated(value: Json): Json {
    if (typeof value !== 'object' || value === null || this.random.chance(0.15)) return this.odd(2);
    if (Array.isArray(value)) {
      if (value.length === 0 || this.random.chance(0.2)) return [...value, this.odd(2)];
      const index = this.random.whole(0, value.length - 1);
      return value.map((item, position) => (position === index ? this.mutated(item) : item));
    }
    const names = Object.keys(value);
    if (names.length === 0 || this.random.chance(0.2))
      return { ...value, [this.random.pick(ODD_NAMES)]: this.odd(1) };
    const name = this.random.pick(names);
    const { [name]: member, ...others } = value;
    return this.random.chance(0.2) ? others : { ...others, [name]: this.mutated(member as Json) };
  }

  private odd(depth: number): Json {
    const choice = this.random.whole(0, depth > 0 ? 5 : 3);
    if (choice === 0) return this.random.pick<Json>([null, true, false]);
    if (choice === 1) return this.random.pick(ODD_NUMBERS);
    if (choice <= 3) return this.oddText();
    const items = Array.from({ length: this.random.whole(0, 3) }, () => this.odd(depth - 1));
    return choice === 4
      ? items
      : Object.fromEntries(items.map((item) => [this.random.pick(ODD_NAMES), item]));
  }

  private oddText(): string {
    if (this.random.chance(0.4)) return this.random.pick(ODD_TEXTS);
    return this.random.text(this.random.whole(1, 6), [...LETTERS, ...ODD]);
  }
}
