import type { z } from 'zod'

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

/** Checks a part of a request. Throws an InvalidInput. */
export function check<Shape>(schema: z.ZodType<Shape>, place: 'body' | 'path', value: unknown): Shape {
  if (place === 'body' && (value === undefined || value === null)) throw new InvalidInput([missing(['body'])])
  // The input is what tells a wrong type from a missing field.
  const parsed = schema.safeParse(value, { reportInput: true })
  if (parsed.success) return parsed.data
  throw new InvalidInput(parsed.error.issues.map((issue) => explain(issue, place)))
}

/** What a body that is no JSON got. Python's wording of what was wrong is its parser's; this is the place. */
export function invalidJson(message: string): InvalidInput {
  const pos = Number(/position (\d+)/.exec(message)?.[1] ?? 0)
  return new InvalidInput([
    {
      loc: ['body', pos],
      msg: `Expecting value: line 1 column ${pos + 1} (char ${pos})`,
      type: 'value_error.jsondecode',
      ctx: { msg: 'Expecting value', doc: '', pos, lineno: 1, colno: pos + 1 },
    },
  ])
}

function missing(loc: Detail['loc']): Detail {
  return { loc, msg: 'field required', type: 'value_error.missing' }
}

function explain(issue: z.core.$ZodIssue, place: 'body' | 'path'): Detail {
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
      return { loc, msg: `value is not a valid ${issue.format}`, type: `type_error.${issue.format}` }
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
