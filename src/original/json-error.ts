/** Where a text stops being JSON, in the words of Python's parser. */
export interface JsonError {
  msg: string
  pos: number
}

/**
 * Finds what Python's `json.loads` would have said of `text`, which is no JSON; `JSON.parse` does not always
 * tell the place. Undefined where it would have taken it.
 */
export function findJsonError(text: string): JsonError | undefined {
  try {
    const end = skipSpace(text, readValue(text, skipSpace(text, 0)))
    return end < text.length ? { msg: 'Extra data', pos: end } : undefined
  } catch (error) {
    if (error instanceof Stop) return { msg: error.message, pos: error.pos }
    throw error
  }
}

class Stop extends Error {
  readonly pos: number
  constructor(message: string, pos: number) {
    super(message)
    this.pos = pos
  }
}

function match(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at
  return pattern.test(text) ? pattern.lastIndex : at
}

function skipSpace(text: string, at: number): number {
  return match(/[ \t\n\r]*/y, text, at)
}

/** Each reader gives the place behind what it has read. */
function readValue(text: string, at: number): number {
  if (text[at] === '"') return readString(text, at)
  if (text[at] === '{') return readObject(text, at + 1)
  if (text[at] === '[') return readArray(text, at + 1)
  const end = match(/-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null|NaN|-?Infinity/y, text, at)
  if (end === at) throw new Stop('Expecting value', at)
  return end
}

function readString(text: string, begin: number): number {
  let at = begin + 1
  for (;;) {
    at = match(/[ !#-[\]-\uffff]*/y, text, at)
    if (text[at] === '"') return at + 1
    if (at >= text.length) throw new Stop('Unterminated string starting at', begin)
    if (text[at] !== '\\') throw new Stop('Invalid control character at', at)
    if (at + 1 >= text.length) throw new Stop('Unterminated string starting at', begin)
    if (text[at + 1] === 'u') {
      // It also wanted something behind the four digits.
      if (!/^u[\da-f]{4}./is.test(text.slice(at + 1, at + 7)))
        throw new Stop('Invalid \\uXXXX escape', at + 1)
    } else if (!/["\\/bfnrt]/.test(text[at + 1] ?? '')) throw new Stop('Invalid \\escape', at)
    at += 2
  }
}

function readObject(text: string, begin: number): number {
  let at = skipSpace(text, begin)
  if (text[at] === '}') return at + 1
  for (;;) {
    if (text[at] !== '"') throw new Stop('Expecting property name enclosed in double quotes', at)
    at = skipSpace(text, readString(text, at))
    if (text[at] !== ':') throw new Stop("Expecting ':' delimiter", at)
    at = skipSpace(text, readValue(text, skipSpace(text, at + 1)))
    if (text[at] === '}') return at + 1
    if (text[at] !== ',') throw new Stop("Expecting ',' delimiter", at)
    at = skipSpace(text, at + 1)
  }
}

function readArray(text: string, begin: number): number {
  let at = skipSpace(text, begin)
  if (text[at] === ']') return at + 1
  for (;;) {
    at = skipSpace(text, readValue(text, at))
    if (text[at] === ']') return at + 1
    if (text[at] !== ',') throw new Stop("Expecting ',' delimiter", at)
    at = skipSpace(text, at + 1)
  }
}
