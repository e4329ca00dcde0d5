const isNumber = /^\s*\d+(\.\d+)?\s*$/

/**
 * How long a response asks to wait, in milliseconds: `retry-after-ms` (OpenAI), else `Retry-After` in seconds
 * or as a date (RFC 9110, section 10.2.3). Undefined where it does not say, or says nonsense.
 */
export function retryAfterMs(headers: Record<string, string>, now = Date.now()): number | undefined {
  const milliseconds = headers['retry-after-ms'] ?? ''
  if (isNumber.test(milliseconds)) return Number(milliseconds)
  const value = headers['retry-after'] ?? ''
  if (isNumber.test(value)) return Number(value) * 1_000
  // "-5" would be read as a day of the year 2001.
  const date = /[a-z]/i.test(value) ? Date.parse(value) : Number.NaN
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}
