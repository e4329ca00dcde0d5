import { setTimeout as pause } from 'node:timers/promises'

const pauseMs = 5

/** Asks again and again until `ask` gives something; for what nothing tells of. Rejects after `deadlineMs`. */
export async function until<Answer>(
  what: string,
  ask: () => Promise<Answer | false | undefined> | Answer | false | undefined,
  deadlineMs = 5_000,
): Promise<Answer> {
  const deadline = performance.now() + deadlineMs
  for (;;) {
    const answer = await ask()
    if (answer !== false && answer !== undefined) return answer
    if (performance.now() > deadline) throw new Error(`still not ${what} after ${deadlineMs} ms`)
    await pause(pauseMs)
  }
}
