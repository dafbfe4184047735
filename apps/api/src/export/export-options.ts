import { parseArgs } from 'node:util';

import { ExportFailed } from './export.errors.js';

const TEXT = { type: 'string' } as const;
const FLAG = { type: 'boolean', default: false } as const;

/** The parameters of the route, as options. */
const PARAMETERS = {
  format: TEXT,
  cursor: TEXT,
  status: { type: 'string', multiple: true },
  'customer-id': TEXT,
  priority: TEXT,
  'placed-from': TEXT,
  'placed-to': TEXT,
  'min-total-cents': TEXT,
  'max-total-cents': TEXT,
  sku: TEXT,
  'client-order-id': TEXT,
  sort: TEXT,
} as const;

export const USAGE = `npm run export -- [options]

  --output <file>     instead of standard output
  --append            goes on behind the last row of the file, if there is one
  --force             replaces the file
  --format <format>   ndjson (default) or csv
  --cursor=<cursor>   begins right behind the row with this cursor
  --url <url>         of a running Daybook; default http://127.0.0.1:3000, or the port that PORT names
  --token <token>     default DAYBOOK_TOKEN, or in development one of this machine's own

Which orders, as in GET /orders: --status (several times), --customer-id, --priority, --placed-from, --placed-to,
--min-total-cents, --max-total-cents, --sku, --client-order-id, --sort
`;

export interface ExportOptions {
  /** Filters and sort. */
  readonly list: URLSearchParams;
  readonly format: 'ndjson' | 'csv';
  readonly cursor: string | undefined;
  readonly url: URL;
  readonly token: string | undefined;
  /** Undefined: standard output. */
  readonly output: string | undefined;
  /** What becomes of an output file that exists. */
  readonly existing: 'refuse' | 'append' | 'replace';
}

/**
 * @returns undefined when only help was asked for
 * @throws {ExportFailed}
 */
export function readOptions(
  words: readonly string[],
  environment: NodeJS.ProcessEnv,
): ExportOptions | undefined {
  const { values } = parseArgs({
    args: words.map(inKebabCase),
    options: { ...PARAMETERS, url: TEXT, token: TEXT, output: TEXT, append: FLAG, force: FLAG, help: FLAG },
  });
  const { url, token, output, append, force, help, format = 'ndjson', cursor, ...list } = values;
  if (help) return undefined;
  if (format !== 'ndjson' && format !== 'csv') throw new ExportFailed('--format must be ndjson or csv');
  if (append && force) throw new ExportFailed('--append and --force exclude each other');
  if (append && cursor !== undefined) {
    throw new ExportFailed('--append goes on behind the last row of the file: leave --cursor out');
  }
  if ((append || force) && output === undefined) throw new ExportFailed('--append and --force need --output');
  return {
    list: toParameters(list),
    format,
    cursor,
    url: toUrl(url ?? `http://127.0.0.1:${environment['PORT'] || 3000}`),
    token: toToken(token ?? (environment['DAYBOOK_TOKEN'] || undefined)),
    output,
    existing: append ? 'append' : force ? 'replace' : 'refuse',
  };
}

/** `--placedFrom=…` is `--placed-from=…`: the names of the API work as well. */
function inKebabCase(word: string): string {
  return word.replace(/^--[a-zA-Z]+/, (name) =>
    name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
  );
}

function toParameters(list: Readonly<Record<string, string | string[] | undefined>>): URLSearchParams {
  const pairs = Object.entries(list).flatMap(([name, value]) => {
    const parameter = name.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
    return [value ?? []].flat().map((one) => [parameter, one]);
  });
  return new URLSearchParams(pairs);
}

function toUrl(text: string): URL {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) throw new ExportFailed('--url must be an http(s) URL');
  return url;
}

function toToken(token: string | undefined): string | undefined {
  if (token !== undefined && !/^[\w.~+/-]+=*$/.test(token)) {
    throw new ExportFailed('The token is none: look at --token and DAYBOOK_TOKEN');
  }
  return token;
}
