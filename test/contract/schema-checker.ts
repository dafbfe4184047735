import type { OpenAPIObject } from '@nestjs/swagger';
import { Ajv, type ValidateFunction } from 'ajv';

/** The path to a place in the document, as the keys that lead there. */
export type Place = readonly string[];

/**
 * Checks values against the schemas of an OpenAPI 3.0 document. Objects are closed: a member that the schema does not
 * name is an error, because clients generated from the document would never see it.
 */
export class SchemaChecker {
  private readonly ajv = new Ajv({
    strict: false,
    allErrors: true,
    formats: {
      // The contract's times: UTC with milliseconds.
      'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/,
      uuid: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i,
    },
  });
  private readonly compiled = new Map<string, ValidateFunction>();

  constructor(document: OpenAPIObject) {
    this.ajv.addSchema(closed(structuredClone(document)), 'document');
  }

  /** What is wrong with the value, one line each; nothing when it fits the schema at that place. */
  problems(place: Place, value: unknown): string[] {
    const pointer = place
      .map((key) => `/${encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))}`)
      .join('');
    let validate = this.compiled.get(pointer);
    if (validate === undefined) {
      validate = this.ajv.compile({ $ref: `document#${pointer}` });
      this.compiled.set(pointer, validate);
    }
    if (validate(value)) return [];
    return (validate.errors ?? []).map(
      ({ instancePath, message, params }) =>
        `${instancePath || 'the value'} ${message} ${JSON.stringify(params)}`,
    );
  }
}

/** Problem details are left open: each code brings members of its own. */
function closed(document: OpenAPIObject): OpenAPIObject {
  for (const [name, schema] of Object.entries(document.components?.schemas ?? {})) {
    if (name !== 'ProblemDocument' && 'properties' in schema) schema.additionalProperties ??= false;
  }
  return document;
}

/** Where an operation's schema for an answer is, if the document has one for that status and media type. */
export function responsePlace(
  document: OpenAPIObject,
  { path, method }: { readonly path: string; readonly method: string },
  status: number,
  type: string,
): Place | undefined {
  const key = method.toLowerCase() as 'get';
  const response = document.paths[path]?.[key]?.responses[status];
  if (response === undefined || '$ref' in response || response.content?.[type] === undefined)
    return undefined;
  return ['paths', path, key, 'responses', String(status), 'content', type, 'schema'];
}
