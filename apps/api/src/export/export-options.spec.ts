import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { OpenAPIObject } from '@nestjs/swagger';

import { projectRoot } from '@daybook/platform';

import { readOptions, USAGE } from './export-options.js';

const read = (line: string, environment: NodeJS.ProcessEnv = {}) =>
  readOptions(line.split(' ').filter(Boolean), environment);

const inKebabCase = (name: string) => name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

describe('the options of an export', () => {
  it('have every parameter of the route, by its name and in kebab case, and the usage tells of it', async () => {
    const document = JSON.parse(await readFile(join(projectRoot(), 'openapi.json'), 'utf8')) as OpenAPIObject;
    const parameters = document.paths['/api/v1/orders/export']?.get?.parameters ?? [];
    const names = parameters.map((parameter) => (parameter as { name: string }).name);
    expect(names).toContain('placedFrom');
    for (const name of names.filter((each) => each !== 'format')) {
      for (const written of [name, inKebabCase(name)]) {
        const options = read(`--${written} x`);
        const given = name === 'cursor' ? options?.cursor : options?.list.get(name);
        expect({ written, given }).toEqual({ written, given: 'x' });
      }
      expect(USAGE).toContain(`--${inKebabCase(name)}`);
    }
  });

  it('may name several statuses, and values with an equals sign', () => {
    const list = read('--status failed --status=cancelled --clientOrderId=a=B --sort oldest')?.list;
    expect(list?.toString()).toBe('status=failed&status=cancelled&clientOrderId=a%3DB&sort=oldest');
  });

  it('may name a cursor that begins with a dash', () => {
    expect(read('--cursor=-ttOA9')?.cursor).toBe('-ttOA9');
  });

  it('are what is usual when they are not given', () => {
    expect(read('')).toMatchObject({
      format: 'ndjson',
      existing: 'refuse',
      output: undefined,
      token: undefined,
    });
    expect(read('')?.url.href).toBe('http://127.0.0.1:3000/');
    expect(read('', { PORT: '3100', DAYBOOK_TOKEN: 'abc' })).toMatchObject({ token: 'abc' });
    expect(read('', { PORT: '3100' })?.url.port).toBe('3100');
    expect(read('--token xyz', { DAYBOOK_TOKEN: 'abc' })).toMatchObject({ token: 'xyz' });
    expect(read('--help')).toBeUndefined();
  });

  it.each([
    ['--format xml', '--format must be ndjson or csv'],
    ['--url ftp://x', '--url must be an http(s) URL'],
    ['--url localhost', '--url must be an http(s) URL'],
    ['--token a\nb', 'The token is none: look at --token and DAYBOOK_TOKEN'],
    ['--append', '--append and --force need --output'],
    ['--append --force --output a', '--append and --force exclude each other'],
    [
      '--append --cursor a --output a',
      '--append goes on behind the last row of the file: leave --cursor out',
    ],
    ['--limit 5', "Unknown option '--limit'"],
    ['file.csv', "Unexpected argument 'file.csv'"],
  ])('are refused as %j', (line, message) => {
    expect(() => read(line)).toThrow(message);
  });
});
