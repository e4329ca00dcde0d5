import { expect, test } from 'vitest'
import { looksAgainAt } from '../../src/replies/waiting.ts'

const now = 1_000_000
const limits = { maxProviderFailures: 4, maxProviderWaitMs: 60_000 }
const askableAt = now + 8_000

function looksAgain(failures: number, random: number, waitingSince = now) {
  return looksAgainAt({ askableAt, waitingSince, failures }, { limits, now, random }) - now
}

test('who has lost fewer tries looks first, whatever chance says', () => {
  const almostOne = 1 - Number.EPSILON
  expect(looksAgain(0, 0)).toBe(8_000)
  for (const failures of [1, 2, 3]) {
    expect(looksAgain(failures, 0)).toBeGreaterThanOrEqual(looksAgain(failures - 1, almostOne))
  }
  expect(looksAgain(9, almostOne)).toBe(10_000)
})

test('nobody waits for longer than may be, or looks in the past', () => {
  expect(looksAgain(0, 0, now - 55_000)).toBe(5_000)
  expect(looksAgain(0, 0, now - 70_000)).toBe(1)
})
