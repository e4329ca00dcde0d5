/** The time in integer milliseconds since 1970 (UTC), as rows keep it. An argument where a test holds it. */
export type Clock = () => number

export const systemClock: Clock = () => Date.now()

/** A row's time as the API says it, RFC 3339 in UTC. */
export function isoTime(ms: number): string
export function isoTime(ms: number | null): string | null
export function isoTime(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString()
}
