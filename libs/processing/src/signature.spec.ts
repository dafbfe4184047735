import fc from 'fast-check';

import { findSignatureFault, SIGNATURE_HEADER, signatureHeaders, TIMESTAMP_HEADER } from './signature.js';

const SECRET = 'a secret that is known to both sides';
const BODY = '{"id":"20261120-00001"}';
const NOW_MS = Date.parse('2026-11-20T09:30:00.750Z');
const MINUTE_MS = 60_000;

const signed = (body: string | Uint8Array = BODY, secret = SECRET) => signatureHeaders(body, secret, NOW_MS);
const faultOf = (headers: object, body: string | Uint8Array = BODY, nowMs = NOW_MS) =>
  findSignatureFault({ ...headers }, body, SECRET, nowMs);

it('a signature is what docs/processing.md says, computed by another program', () => {
  // printf '1795167000.{"id":"20261120-00001"}' | openssl dgst -sha256 -hmac 'a secret that is known to both sides'
  expect(signed()).toEqual({
    'x-daybook-timestamp': '1795167000',
    'x-daybook-signature': 'v1=2d3d4236edbd2e3105eb850e324861d8b1eab178c75c67e06e9c99c6e2163d9c',
  });
});

it('a body that was signed is believed, whatever is in it', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (body) => {
      expect(faultOf(signed(body), body)).toBeUndefined();
    }),
  );
});

it('a text is signed as its bytes', () => {
  const text = 'Grüner Tee 🍵';
  expect(faultOf(signed(text), Buffer.from(text))).toBeUndefined();
});

it.each<[what: string, headers: object, body: string]>([
  ['another body', signed(), `${BODY} `],
  ['another secret', signed(BODY, `${SECRET}!`), BODY],
  ['another time', { ...signed(), [TIMESTAMP_HEADER]: '1795167001' }, BODY],
  ['another signature', { ...signed(), [SIGNATURE_HEADER]: `v1=${'0'.repeat(64)}` }, BODY],
])('a signature that belongs to %s is wrong', (_, headers, body) => {
  expect(faultOf(headers, body)).toBe('wrong');
});

it('no changed bit of a signature goes unnoticed', () => {
  const hex = (signed()[SIGNATURE_HEADER] as string).slice(3);
  for (let bit = 0; bit < 256; bit += 1) {
    const bytes = Buffer.from(hex, 'hex');
    bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
    expect(faultOf({ ...signed(), [SIGNATURE_HEADER]: `v1=${bytes.toString('hex')}` })).toBe('wrong');
  }
});

it.each([
  [5 * MINUTE_MS - 750, undefined],
  [5 * MINUTE_MS - 749, 'outdated'],
  [-5 * MINUTE_MS - 750, undefined],
  [-5 * MINUTE_MS - 751, 'outdated'],
])('a message counts for five minutes, and as long before: after %d ms it is %s', (passedMs, fault) => {
  expect(faultOf(signed(), BODY, NOW_MS + passedMs)).toBe(fault);
});

it.each<[what: string, headers: object]>([
  ['none', {}],
  ['no signature', { [TIMESTAMP_HEADER]: '1795167000' }],
  ['no time', { [SIGNATURE_HEADER]: signed()[SIGNATURE_HEADER] }],
  ['another version', { ...signed(), [SIGNATURE_HEADER]: signed()[SIGNATURE_HEADER]?.replace('v1', 'v2') }],
  ['half a signature', { ...signed(), [SIGNATURE_HEADER]: 'v1=abcdef' }],
  ['no hexadecimal', { ...signed(), [SIGNATURE_HEADER]: `v1=${'g'.repeat(64)}` }],
  ['several', { ...signed(), [SIGNATURE_HEADER]: [signed()[SIGNATURE_HEADER], signed()[SIGNATURE_HEADER]] }],
  ['a line more', { ...signed(), [SIGNATURE_HEADER]: `${signed()[SIGNATURE_HEADER]}\n` }],
  ['a time that is no number', { ...signed(), [TIMESTAMP_HEADER]: '1795167000.5' }],
  ['a time without end', { ...signed(), [TIMESTAMP_HEADER]: '9'.repeat(400) }],
])('a message with %s has no signature', (_, headers) => {
  expect(faultOf(headers)).toBe('missing');
});
