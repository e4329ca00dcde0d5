/** How fine the last minute is told apart. */
const bucketMs = 600
/** A time that was given out is good for so long: many have the same one, and cannot all be there at once. */
const goodMs = 3_000
/** So many buckets can have a part in one minute, where what is given out for the first is done as late as it may. */
const bucketsPerMinute = (60_000 + goodMs) / bucketMs + 1

/** How often something was done, or will be: pairs of a bucket of time and a count, oldest first. */
export type RateWindow = Array<[bucket: number, count: number]>

/**
 * The first time, not before `now`, at which once more is not more than `perMinute` times in any minute; and the
 * window with that in it.
 */
export function reserve(
  window: RateWindow,
  perMinute: number,
  now: number,
): { at: number; window: RateWindow } {
  const current = Math.floor(now / bucketMs)
  const recent = window.filter(([bucket]) => bucket > current - bucketsPerMinute)
  // What was given out already comes first, also where the clock was put back.
  let bucket = Math.max(current, recent.at(-1)?.[0] ?? current)
  while (countUntil(recent, bucket) >= perMinute) {
    // Until the oldest that counts is more than a minute ago.
    const oldest = recent.find(([entry]) => entry > bucket - bucketsPerMinute)
    bucket = (oldest?.[0] ?? bucket) + bucketsPerMinute
  }
  const before = recent.filter(([entry]) => entry !== bucket)
  const count = recent.find(([entry]) => entry === bucket)?.[1] ?? 0
  return { at: Math.max(now, bucket * bucketMs), window: [...before, [bucket, count + 1]] }
}

/** Whether what was given out for `at` may be done now. */
export function isGood(at: number, now: number): boolean {
  return now < at + goodMs
}

/** Takes back what was given out for `at` and was not done; null is nothing. */
export function takeBack(window: RateWindow, at: number | null): RateWindow {
  if (at === null) return window
  const given = Math.floor(at / bucketMs)
  return window.flatMap(([bucket, count]): RateWindow => {
    if (bucket !== given) return [[bucket, count]]
    return count > 1 ? [[bucket, count - 1]] : []
  })
}

/** In the minute that ends with the bucket `end`. */
function countUntil(window: RateWindow, end: number): number {
  return window.reduce((sum, [entry, count]) => sum + (entry > end - bucketsPerMinute ? count : 0), 0)
}
