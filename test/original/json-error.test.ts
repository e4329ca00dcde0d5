import { expect, test } from 'vitest'
import { findJsonError } from '../../src/original/json-error.ts'

/** What Python 3.11's `json.loads` says of each. */
const said: Array<[text: string, msg: string, pos: number]> = [
  ['', 'Expecting value', 0],
  ['not json', 'Expecting value', 0],
  ['\u00a0{}', 'Expecting value', 0],
  ['-', 'Expecting value', 0],
  ['{"a":', 'Expecting value', 5],
  ['{"a": }', 'Expecting value', 6],
  ['{"a":tru}', 'Expecting value', 5],
  ['[1,', 'Expecting value', 3],
  ['{', 'Expecting property name enclosed in double quotes', 1],
  ['{a:1}', 'Expecting property name enclosed in double quotes', 1],
  ['{"a":1,}', 'Expecting property name enclosed in double quotes', 7],
  ['{"a" 1}', "Expecting ':' delimiter", 5],
  ['{"a":1\n,\n"b" x}', "Expecting ':' delimiter", 13],
  ['{"a":1 "b":2}', "Expecting ',' delimiter", 7],
  ['[1 2]', "Expecting ',' delimiter", 3],
  ['{} x', 'Extra data', 3],
  ['01', 'Extra data', 1],
  ['1.', 'Extra data', 1],
  ['"abc', 'Unterminated string starting at', 0],
  ['["\\', 'Unterminated string starting at', 1],
  ['"a\nb"', 'Invalid control character at', 2],
  ['"\\x"', 'Invalid \\escape', 1],
  ['"\\u12"', 'Invalid \\uXXXX escape', 2],
]

test.each(said)('%j is no JSON, in the words of Python', (text, msg, pos) => {
  expect(findJsonError(text)).toEqual({ msg, pos })
})

test.each(['{}', ' [1, -2.5e3, true, null] ', '"\\u00e9\\n"', '{"a": {"b": []}}', 'NaN'])(
  '%s is what Python took',
  (text) => expect(findJsonError(text)).toBeUndefined(),
)
