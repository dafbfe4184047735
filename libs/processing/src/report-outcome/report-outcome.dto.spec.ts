import 'reflect-metadata';

import type { OrderId } from '@daybook/orders';
import { parseInput } from '@daybook/platform';

import { callbackPath, ReportOutcomeRequest } from './report-outcome.dto.js';

const CONFIRMED = { orderId: '20261120-00001', version: 2, outcome: 'confirmed' };
const parse = (input: object) => parseInput(ReportOutcomeRequest, input, 'body');

it('an outcome may be confirmed, refused or failed, with a reason or without', () => {
  expect(parse(CONFIRMED)).toEqual(CONFIRMED);
  const refused = { ...CONFIRMED, outcome: 'refused', reason: 'Too heavy' };
  expect(parse(refused)).toEqual(refused);
  expect(parse({ ...CONFIRMED, outcome: 'failed' })).toMatchObject({ outcome: 'failed' });
});

it.each([
  ['orderId', undefined],
  ['orderId', 20_261_120],
  ['version', undefined],
  ['version', 0],
  ['version', '2'],
  ['outcome', 'timed_out'],
  ['reason', 'a\nb'],
  ['status', 'confirmed'],
])('an outcome with the %s %p is refused', (field, value) => {
  expect(() => parse({ ...CONFIRMED, [field]: value })).toThrow(field);
});

it('an outcome is reported below the order', () => {
  expect(callbackPath('20261120-00001' as OrderId)).toBe('/api/v1/processing/callbacks/20261120-00001');
});
