/*
 * For each kind of field what does not fit it, by what is wrong with it. Numbers that JavaScript cannot write are
 * written as they are to be sent, with {@link json}.
 */

export type BadValues = Readonly<Record<string, unknown>>;

/** JSON text that goes into a body as it is: `1e309`, `2.0e-1`. */
export function json(text: string): unknown {
  return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(text);
}

const NO_STRINGS: BadValues = {
  null: null,
  'a number': 5,
  'a huge number': json('1e309'),
  true: true,
  'a list of one that fits': undefined,
  'an empty list': [],
  'an object': {},
  'an object with a length': { length: 3 },
};

function noStrings(fitting: string): BadValues {
  return { ...NO_STRINGS, 'a list of one that fits': [fitting] };
}

const BAD_CHARACTERS: BadValues = {
  'a NUL': 'a\0b',
  'a control character': 'a\u0007b',
  'a line feed': 'ab\n',
  'an escape sequence of terminals': '\u001b[31mred',
  'a control character of Latin-1': 'a\u0085b',
  'a lone high surrogate': 'a\ud800',
  'a lone low surrogate': '\udc00a',
};

export function text(longest: number): BadValues {
  return {
    ...noStrings('text'),
    ...BAD_CHARACTERS,
    'nothing in it': '',
    'only blanks': ' \u3000 ',
    'one character too many': 'x'.repeat(longest + 1),
    'a hundred thousand characters': 'x'.repeat(100_000),
    'too many code units in few characters': '\u{1f375}'.repeat(longest / 2 + 1),
  };
}

/** Texts of which only some characters are allowed. */
function code(fitting: string, longest: number): BadValues {
  return {
    ...noStrings(fitting),
    ...BAD_CHARACTERS,
    'nothing in it': '',
    'a blank': 'a b',
    'a blank behind it': `${fitting} `,
    'a slash': 'a/b',
    'an umlaut': 'tée',
    'digits of another script': '٣٤',
    'one character too many': fitting.charAt(0).repeat(longest + 1),
    'a quote': "x' OR '1'='1",
  };
}

export const SKU = code('TEA', 64);
export const WAREHOUSE = { ...code('main', 32), 'a capital': 'Main', 'an underscore': 'a_b' };

export const INSTRUMENT: BadValues = {
  ...code('US0378331005', 12),
  'small letters': 'us0378331005',
  'a character too few': 'US037833100',
  'two digits exchanged': 'US0378330105',
  'a wrong check digit': 'US0378331004',
  'a letter for a check digit': 'US037833100X',
  'a digit in the country': 'U10378331005',
};

export function whole(minimum: number, maximum: number): BadValues {
  return {
    null: null,
    'a text': 'many',
    'digits in a text': String(minimum + 1),
    'NaN in a text': 'NaN',
    true: true,
    'a list of one that fits': [minimum + 1],
    'an object': {},
    'one too few': minimum - 1,
    'one too many': maximum + 1,
    'a fraction': minimum + 0.5,
    'nearly a whole number': json(`${minimum + 1}.0000001`),
    infinity: json('1e309'),
    'minus infinity': json('-1e309'),
    '2^53': json('9007199254740992'),
    '2^63': json('9223372036854775808'),
    '1e21': json('1e21'),
    'a tiny fraction': json('1e-309'),
  };
}

export function choice(...choices: readonly [string, ...string[]]): BadValues {
  return {
    ...noStrings(choices[0]),
    'nothing in it': '',
    'another word': 'nonsense',
    capitals: choices[0].toUpperCase(),
    'a blank behind it': `${choices[0]} `,
    'two of them': `${choices[0]},${choices[0]}`,
    'a word of every object': 'toString',
  };
}

export const FLAG: BadValues = {
  null: null,
  'a text': 'true',
  'a number': 1,
  'a list': [true],
  'an object': {},
};

const { capitals: _, ...NO_CODE } = choice('USD');
export const CURRENCY = { ...NO_CODE, 'an unknown code': 'XYQ', 'small letters': 'usd', 'a sign': '$' };

export const UUID: BadValues = {
  ...noStrings('7d444840-9dc0-11d1-b245-5ffdce74fad2'),
  'nothing in it': '',
  'no dashes': '7d4448409dc011d1b2455ffdce74fad2',
  'a digit too few': '7d444840-9dc0-11d1-b245-5ffdce74fad',
  'a digit too many': '7d444840-9dc0-11d1-b245-5ffdce74fad22',
  'a letter that is no digit': '7d444840-9dc0-11d1-b245-5ffdce74fadg',
  braces: '{7d444840-9dc0-11d1-b245-5ffdce74fad2}',
  'a line feed behind it': '7d444840-9dc0-11d1-b245-5ffdce74fad2\n',
};

/** @param item one that fits */
export function list(item: unknown, most: number): BadValues {
  return {
    null: null,
    'a text': 'list',
    'a number': 5,
    true: true,
    'an object': {},
    'an object that looks like a list': { '0': item, length: 1 },
    'an item without a list': item,
    'nothing in it': [],
    'one item too many': Array.from({ length: most + 1 }, () => item),
  };
}

/** Of a query, where all is text. */
export const QUERY_POSITION: Readonly<Record<string, string>> = {
  nothing: '',
  'a text': 'last',
  'a negative number': '-1',
  '2^63': '9223372036854775808',
  'twenty digits': '0'.repeat(20),
  'a fraction': '1.0',
  'an exponent': '1e2',
  'a hexadecimal number': '0x10',
  'a plus sign': '%2B5',
  'a blank': '5%20',
  'a line feed': '5%0A',
  'a list': '1,2',
  'digits of another script': '%D9%A3',
  'a NUL': '5%00',
};

export const QUERY_LIMIT: Readonly<Record<string, string>> = {
  nothing: '',
  'a text': 'ten',
  NaN: 'NaN',
  infinity: 'Infinity',
  zero: '0',
  'a negative number': '-1',
  'one too many': '201',
  'a huge number': '99999999999999999999999',
  'a fraction': '1.5',
  'an exponent': '1e2',
  'a hexadecimal number': '0x10',
  'a plus sign': '%2B5',
  'a blank': '%205',
  'digits of another script': '%D9%A3',
  'a NUL': '5%00',
};

export const QUERY_CENTS: Readonly<Record<string, string>> = {
  nothing: '',
  'a text': 'ten',
  'a negative number': '-1',
  'a fraction': '1.5',
  'one too many': '1000000000000000',
  'a huge number': '99999999999999999999999',
  'an exponent': '1e2',
  'a NUL': '5%00',
};

export const QUERY_INSTANT: Readonly<Record<string, string>> = {
  nothing: '',
  'a word': 'yesterday',
  'a day': '2026-11-20',
  'a number': '1795132800000',
  'no offset': '2026-11-20T00:00:00',
  'a plus sign that is a blank': '2026-11-20T00:00:00+01:00',
  'a day that there is not': '2026-02-30T00:00:00Z',
  'an hour that there is not': '2026-11-20T24:00:00Z',
  'an offset that there is not': '2026-11-20T00:00:00-15:00',
  'a blank behind it': '2026-11-20T00:00:00Z%20',
  'a NUL': '2026-11-20T00:00:00Z%00',
  infinity: 'infinity',
};

/** A text that is a query parameter of this name. */
export function queryText(name: string, longest: number): Readonly<Record<string, string>> {
  return {
    nothing: '',
    blanks: '%20',
    'a NUL': '%00',
    'a line feed': 'a%0Ab',
    'a list': `a&${name}=b`,
    'one character too many': 'a'.repeat(longest + 1),
  };
}

export function queryChoice(fitting: string): Readonly<Record<string, string>> {
  return {
    nothing: '',
    'another word': 'nonsense',
    capitals: fitting.toUpperCase(),
    'two with a comma': `${fitting},${fitting}`,
  };
}
