import type { z } from 'zod'
import { findJsonError } from './json-error.ts'

/** What was wrong, as FastAPI with pydantic 1 said it. */
export interface Detail {
  loc: Array<string | number>
  msg: string
  type: string
  ctx?: Record<string, unknown>
}

/** Input that the original API refuses; carries the answer. */
export class InvalidInput extends Error {
  readonly detail: Detail[]
  constructor(detail: Detail[]) {
    super('invalid input')
    this.detail = detail
  }
}

type Place = 'body' | 'path' | 'header'

/** Checks a part of a request. Throws an InvalidInput. */
export function check<Shape>(schema: z.ZodType<Shape>, place: Place, value: unknown): Shape {
  if (place === 'body' && (value === undefined || value === null)) throw new InvalidInput([missing(['body'])])
  // The input is what tells a wrong type from a missing field.
  const parsed = schema.safeParse(value, { reportInput: true })
  if (parsed.success) return parsed.data
  throw new InvalidInput(parsed.error.issues.map((issue) => explain(issue, place)))
}

/** Makes several checks; what is wrong with any of the parts is told together. */
export function checkAll<Parts extends unknown[]>(
  ...checks: { [At in keyof Parts]: () => Parts[At] }
): Parts {
  const wrong: Detail[] = []
  const parts = checks.map((checkPart) => {
    try {
      return checkPart()
    } catch (error) {
      if (!(error instanceof InvalidInput)) throw error
      wrong.push(...error.detail)
      return undefined
    }
  })
  if (wrong.length > 0) throw new InvalidInput(wrong)
  return parts as Parts
}

/** What a body that is no JSON got. `doc` was the body itself: whoever sent it has it. */
export function invalidJson(text: string): InvalidInput {
  const { msg, pos } = findJsonError(text) ?? { msg: 'Expecting value', pos: 0 }
  const lines = text.slice(0, pos).split('\n')
  const lineno = lines.length
  const colno = (lines.at(-1)?.length ?? 0) + 1
  return new InvalidInput([
    {
      loc: ['body', pos],
      msg: `${msg}: line ${lineno} column ${colno} (char ${pos})`,
      type: 'value_error.jsondecode',
      ctx: { msg, doc: '', pos, lineno, colno },
    },
  ])
}

function missing(loc: Detail['loc']): Detail {
  return { loc, msg: 'field required', type: 'value_error.missing' }
}

function explain(issue: z.core.$ZodIssue, place: Place): Detail {
  const loc = [place, ...issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))]
  switch (issue.code) {
    case 'invalid_type':
      return explainType(issue, loc)
    case 'invalid_value':
      return enumeration(loc, issue.values.map(String), issue.input)
    case 'too_small':
      return {
        loc,
        msg: `ensure this value has at least ${issue.minimum} characters`,
        type: 'value_error.any_str.min_length',
        ctx: { limit_value: Number(issue.minimum) },
      }
    case 'too_big':
      return {
        loc,
        msg: `ensure this value has at most ${issue.maximum} characters`,
        type: 'value_error.any_str.max_length',
        ctx: { limit_value: Number(issue.maximum) },
      }
    case 'invalid_format':
      // Ids are all that has a format there.
      return { loc, msg: 'value is not a valid uuid', type: 'type_error.uuid' }
    default:
      return { loc, msg: issue.message, type: 'value_error' }
  }
}

function explainType(issue: z.core.$ZodIssueInvalidType, loc: Detail['loc']): Detail {
  if (loc.length === 1) return { loc, msg: 'value is not a valid dict', type: 'type_error.dict' }
  if (issue.input === undefined) return missing(loc)
  if (issue.input === null) {
    return { loc, msg: 'none is not an allowed value', type: 'type_error.none.not_allowed' }
  }
  return { loc, msg: 'str type expected', type: 'type_error.str' }
}

function enumeration(loc: Detail['loc'], values: string[], input: unknown): Detail {
  if (input === undefined) return missing(loc)
  if (input === null) return { loc, msg: 'none is not an allowed value', type: 'type_error.none.not_allowed' }
  const permitted = values.map((value) => `'${value}'`).join(', ')
  return {
    loc,
    msg: `value is not a valid enumeration member; permitted: ${permitted}`,
    type: 'type_error.enum',
    ctx: { enum_values: values },
  }
}
