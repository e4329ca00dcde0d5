import { array, assert, integer, property } from 'fast-check'
import { expect, test } from 'vitest'
import { isGood, reserve, type RateWindow, takeBack } from '../../src/replies/rate-window.ts'

const start = 1_700_000_000_000
/** By so much may be late whoever was given a time. */
const lateMs = 3_000

/** When each goes that asks after these pauses. */
function timesOf(pausesMs: number[], perMinute: number) {
  let window: RateWindow = []
  let now = start
  return pausesMs.map((pauseMs) => {
    now += pauseMs
    const reserved = reserve(window, perMinute, now)
    window = reserved.window
    return { asked: now, at: reserved.at }
  })
}

test('as many as may be go at once, and the next when the first is a minute ago', () => {
  const times = timesOf([0, 0, 0, 0, 0], 2).map(({ at }) => at - start)
  expect(times.slice(0, 2)).toEqual([0, 0])
  for (const at of times.slice(2, 4)) {
    expect(at).toBeGreaterThanOrEqual(60_000)
    expect(at).toBeLessThanOrEqual(64_200)
  }
  expect(times[4]).toBeGreaterThanOrEqual(120_000)
})

test('in no minute are there more, whenever they ask, and nobody waits for longer than that takes', () => {
  assert(
    property(
      array(integer({ min: 0, max: 20_000 }), { maxLength: 60 }),
      integer({ min: 1, max: 10 }),
      (pauses, perMinute) => {
        const times = timesOf(pauses, perMinute)
        times.forEach(({ asked, at }, index) => {
          expect(at).toBeGreaterThanOrEqual(asked)
          const before = times[index - perMinute]
          if (before) expect(at - before.at).toBeGreaterThan(60_000 + lateMs - 1)
          // It waits only for those before it.
          if (at > asked) expect(at - (before?.at ?? Number.NaN)).toBeLessThanOrEqual(64_200)
        })
      },
    ),
  )
})

test('a time is good for as long as the minute allows for, and no longer', () => {
  expect(isGood(start, start + lateMs - 1)).toBe(true)
  expect(isGood(start, start + lateMs)).toBe(false)
})

test('who comes too late gives the old time back, and takes no place twice', () => {
  const first = reserve([], 1, start)
  const second = reserve(first.window, 1, start)
  // In its own time there is room for another one then, but not before.
  const late = second.at + lateMs
  expect(reserve(second.window, 1, late).at).toBeGreaterThan(late)
  expect(reserve(takeBack(second.window, second.at), 1, late).at).toBe(late)
  expect(takeBack(first.window, second.at)).toEqual(first.window)
  expect(takeBack(first.window, null)).toEqual(first.window)
})

test('what is kept does not grow', () => {
  let window: RateWindow = []
  for (let count = 0; count < 2_000; count += 1) window = reserve(window, 5_000, start + count * 50).window
  expect(window.length).toBeLessThanOrEqual(202)
})

test('a clock that is put back gives nothing out twice', () => {
  const { window } = reserve([], 1, start)
  expect(reserve(window, 1, start - 30_000).at).toBeGreaterThanOrEqual(start + 60_000)
})
