/** Wakes at the earliest of the times it is told of, at the latest after `atMostMs`; who sleeps on tells it again. */
export function createAlarm(onDue: () => void, atMostMs: number) {
  let timer: NodeJS.Timeout | undefined
  let dueAt = Number.POSITIVE_INFINITY

  function ring() {
    dueAt = Number.POSITIVE_INFINITY
    onDue()
  }

  return {
    /** `time` in milliseconds since 1970. */
    set(time: number) {
      if (time >= dueAt) return
      dueAt = time
      clearTimeout(timer)
      timer = setTimeout(ring, Math.max(0, Math.min(time - Date.now(), atMostMs)))
    },
    stop: () => clearTimeout(timer),
  }
}
