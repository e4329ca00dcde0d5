import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createAlarms } from '../../src/jobs/alarms.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('what is put off is looked for when it is due, each at its own time, in whatever order it was told', () => {
  const rang: number[] = []
  const start = Date.now()
  const alarms = createAlarms(() => rang.push(Date.now() - start))
  for (const delayMs of [9_000, 500, 30_000]) alarms.set(start + delayMs)
  vi.advanceTimersByTime(60_000)
  expect(rang).toEqual([500, 9_000, 30_000])
})

test('what was due before it is told is looked for at once, and nobody is warned of it', () => {
  const warned = vi.spyOn(process, 'emitWarning')
  const rang: string[] = []
  createAlarms(() => rang.push('rang')).set(Date.now() - 137)
  vi.advanceTimersByTime(1)
  expect(rang).toEqual(['rang'])
  expect(warned).not.toHaveBeenCalled()
})

test('who has stopped is not called any more', () => {
  const rang: string[] = []
  const alarms = createAlarms(() => rang.push('rang'))
  alarms.set(Date.now() + 100)
  alarms.stop()
  alarms.set(Date.now() + 100)
  vi.advanceTimersByTime(1_000)
  expect(rang).toEqual([])
})
