import { setTimeout as pause } from 'node:timers/promises'
import type { ServerProcess } from '../process.ts'
import type { Random } from './random.ts'

/** How often it is killed while it starts. */
const whileStarting = 0.1
const longestStartMs = 800

/**
 * Kills the server at a random moment within `lifeMs`, and not before `when` resolves, and starts it again, `times`
 * times. One that is killed while it starts is not waited for. Resolves with how often
 * it came to listen again: less often than it was killed, because some kills meet it while it starts.
 */
export async function killAgainAndAgain(
  server: ServerProcess,
  random: Random,
  options: {
    times: number
    lifeMs: number
    when?: () => Promise<unknown>
    onKill?: (kills: number) => void
  },
): Promise<number> {
  const { times, lifeMs, when, onKill } = options
  let restarts = 0
  let started = Promise.resolve()
  for (let kills = 1; kills <= times; kills += 1) {
    if (random.chance(whileStarting)) {
      await pause(random.between(0, longestStartMs))
    } else {
      await started
      await pause(random.between(0, lifeMs))
      await when?.()
    }
    await server.end('SIGKILL')
    // Where it was still starting, that has failed now.
    await started.catch(() => {})
    started = server.start().then(() => void (restarts += 1))
    started.catch(() => {})
    onKill?.(kills)
  }
  await started
  return restarts
}
