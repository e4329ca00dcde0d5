/** The longest delay a timer takes; what is due later than that is found by looking. */
const maxTimerMs = 2 ** 31 - 1

/** Calls `onDue` at each of the times that it is told of. */
export function createAlarms(onDue: () => void) {
  const timers = new Set<NodeJS.Timeout>()
  let isStopped = false
  return {
    /** `time` in milliseconds since 1970. */
    set(time: number) {
      const delayMs = time - Date.now()
      if (isStopped || delayMs > maxTimerMs) return
      const timer = setTimeout(
        () => {
          timers.delete(timer)
          onDue()
        },
        Math.max(0, delayMs),
      )
      timers.add(timer)
    },
    stop() {
      isStopped = true
      for (const timer of timers) clearTimeout(timer)
    },
  }
}
