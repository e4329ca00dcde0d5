import type { LanguageModelV4CallOptions } from '@ai-sdk/provider'
import { textOf } from '../messages/content.ts'
import { ProviderFailure } from '../providers/failure.ts'
import type { Heard } from './hear.ts'
import { type JsonSchema, whyNot } from './json-schema.ts'

/**
 * Throws where a whole answer is not in the format that was asked for; where the schema is only advice, where it is no
 * JSON. One that was cut off, a refusal, and one that calls tools first, are no such answer yet.
 */
export function checkOutput(
  { content, finish }: Heard,
  { responseFormat }: Pick<LanguageModelV4CallOptions, 'responseFormat'>,
  { schemaIsAdvice = false } = {},
): void {
  if (responseFormat?.type !== 'json' || finish?.reason.unified !== 'stop') return
  if (content.some(({ type }) => type === 'refusal' || type === 'tool_call')) return
  const text = textOf(content)
  // It said nothing at all, which is another failure.
  if (text === '') return
  const schema = schemaIsAdvice ? {} : (responseFormat.schema as JsonSchema | undefined)
  const why = whyNotJson(text, schema)
  if (why) throw new ProviderFailure('invalid_output', why)
}

function whyNotJson(text: string, schema: JsonSchema | undefined): string | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return 'the answer is no JSON'
  }
  if (schema) return whyNot(schema, value)
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  return isObject ? undefined : 'the answer is no JSON object'
}
