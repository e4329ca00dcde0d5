import { APICallError, JSONParseError } from '@ai-sdk/provider'
import { describe, expect, test } from 'vitest'
import { explainFailure, ProviderFailure } from '../../src/providers/failure.ts'
import { retryAfterMs } from '../../src/providers/retry-after.ts'

function refusal(statusCode: number | undefined, body = '', headers: Record<string, string> = {}) {
  return new APICallError({
    message: 'refused',
    url: 'http://127.0.0.1/',
    requestBodyValues: undefined,
    responseBody: body,
    responseHeaders: headers,
    ...(statusCode !== undefined && { statusCode }),
  })
}

describe('what a provider did wrong', () => {
  test.each([
    [400, '', 'provider_rejected', false],
    [400, '{"error":{"code":"context_length_exceeded"}}', 'context_length_exceeded', false],
    [400, "This model's maximum context length is 8192 tokens", 'context_length_exceeded', false],
    [400, 'prompt is too long: 210000 tokens > 200000 maximum', 'context_length_exceeded', false],
    [400, 'The model `gpt-9` does not exist', 'model_not_found', false],
    [401, '', 'provider_unauthorized', false],
    [403, '', 'provider_unauthorized', false],
    [404, '', 'model_not_found', false],
    [408, '', 'provider_unavailable', true],
    [409, '', 'provider_unavailable', true],
    [413, '', 'provider_rejected', false],
    [424, '', 'provider_unavailable', true],
    [429, '', 'provider_rate_limited', true],
    [429, '{"error":{"type":"insufficient_quota"}}', 'provider_quota_exceeded', false],
    [402, '', 'provider_quota_exceeded', false],
    [500, '', 'provider_unavailable', true],
    [529, '{"error":{"type":"overloaded_error"}}', 'provider_unavailable', true],
    [undefined, '', 'provider_unavailable', true],
  ] as const)('is read from its status and text: %s %s', (status, body, code, isRetryable) => {
    expect(explainFailure(refusal(status, body))).toMatchObject({ code, isRetryable })
  })

  test.each([
    [{ message: 'oh' }, 'provider_unavailable', true],
    [{ message: 'no', code: 401 }, 'provider_unauthorized', false],
    [{ message: 'no', code: '429' }, 'provider_rate_limited', true],
    [{ message: 'slow down', type: 'rate_limit_error' }, 'provider_rate_limited', true],
    [{ message: 'slow down', code: 'rate_limit_exceeded' }, 'provider_rate_limited', true],
    [{ message: 'no', code: 'insufficient_quota' }, 'provider_quota_exceeded', false],
    [{ message: 'no', code: 'model_not_found' }, 'model_not_found', false],
    [{ message: 'no', status: 400 }, 'provider_rejected', false],
    [{ message: 'no', type: 'validationException', statusCode: 400 }, 'provider_rejected', false],
    [{ message: 'no', type: 'throttlingException', statusCode: 429 }, 'provider_rate_limited', true],
    ['just words', 'provider_unavailable', true],
    [null, 'provider_unavailable', true],
    [new TypeError('terminated', { cause: new Error('other side closed') }), 'provider_unavailable', true],
    [new JSONParseError({ text: 'x', cause: undefined }), 'provider_malformed', true],
  ] as const)('is read from an error that came in the stream: %j', (error, code, isRetryable) => {
    expect(explainFailure(error)).toMatchObject({ code, isRetryable })
  })

  test('stays what it is, where it was explained before', () => {
    const failure = new ProviderFailure('provider_timeout', 'late')
    expect(explainFailure(failure)).toBe(failure)
  })

  test('brings the pause that was asked for', () => {
    expect(explainFailure(refusal(429, '', { 'retry-after': '3' }))).toMatchObject({ retryAfterMs: 3_000 })
  })

  test('is told to the operator by its kind; what was said is kept apart, for debugging', () => {
    const refused = explainFailure(refusal(400, 'no such parameter'))
    expect(refused).toMatchObject({
      message: 'status 400',
      words: expect.stringContaining('no such parameter'),
    })
    expect(explainFailure('no credit left').words).toBe('no credit left')
    const malformed = explainFailure(new JSONParseError({ text: 'Dear Alice', cause: '' }))
    expect(`${malformed.message} ${malformed.words}`).not.toContain('Alice')
  })
})

describe('the pause that a response asks for', () => {
  const now = Date.parse('2026-01-01T00:00:00Z')

  test.each([
    [{}, undefined],
    [{ 'retry-after-ms': '250' }, 250],
    [{ 'retry-after-ms': '250', 'retry-after': '9' }, 250],
    [{ 'retry-after-ms': 'soon', 'retry-after': '9' }, 9_000],
    [{ 'retry-after': '1.5' }, 1_500],
    [{ 'retry-after': '0' }, 0],
    [{ 'retry-after': 'Thu, 01 Jan 2026 00:01:00 GMT' }, 60_000],
    [{ 'retry-after': 'Wed, 31 Dec 2025 00:00:00 GMT' }, 0],
    [{ 'retry-after': 'later' }, undefined],
    [{ 'retry-after': '-5' }, undefined],
    [{ 'retry-after': '' }, undefined],
    [{ 'retry-after-ms': '' }, undefined],
  ])('%j is %s ms', (headers, expected) => {
    expect(retryAfterMs(headers as Record<string, string>, now)).toBe(expected)
  })
})
