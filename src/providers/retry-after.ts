/**
 * How long a response asks to wait, in milliseconds: `retry-after-ms` (OpenAI), else `Retry-After` in seconds
 * or as a date (RFC 9110, section 10.2.3). Undefined where it does not say, or says nonsense.
 */
export function retryAfterMs(headers: Record<string, string>, now = Date.now()): number | undefined {
  const milliseconds = Number(headers['retry-after-ms'] ?? Number.NaN)
  if (milliseconds >= 0) return milliseconds
  const value = headers['retry-after']
  if (value === undefined) return undefined
  if (/^\s*\d+(\.\d+)?\s*$/.test(value)) return Number(value) * 1_000
  const date = Date.parse(value)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}
