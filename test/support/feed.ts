import { type Frame, readFrames } from './client.ts'

/** Somebody who follows an interaction on one device. */
export interface Device {
  status: number
  /** What it was told so far. */
  seen: Frame[]
  /** Reads on until `isLast` says so, or the stream ends, and gives what it read. */
  until(isLast: (frame: Frame) => boolean): Promise<Frame[]>
  close(): void
}

/** Opens the stream of an interaction, behind the event `after` if it is given. */
export async function followOn(url: string, interactionId: string, after?: string): Promise<Device> {
  const abort = new AbortController()
  const response = await fetch(`${url}/v1/interactions/${interactionId}/events`, {
    headers: after === undefined ? {} : { 'last-event-id': after },
    signal: abort.signal,
  })
  const frames = readFrames(response)
  const seen: Frame[] = []
  return {
    status: response.status,
    seen,
    async until(isLast) {
      const from = seen.length
      for (;;) {
        const { value, done } = await frames.next()
        if (done) return seen.slice(from)
        seen.push(value)
        if (isLast(value)) return seen.slice(from)
      }
    },
    close: () => abort.abort(),
  }
}

/** The types of what was told, those that come one after the other once. */
export function story(frames: Frame[]): string[] {
  return frames.map(({ type }) => type).filter((type, at, all) => type !== all[at - 1])
}

/** What follows `first` in the same stream, where a reader comes back with each id in turn. */
export async function cutAfterEach(
  url: string,
  interactionId: string,
  after: string,
  isLast: (frame: Frame) => boolean,
): Promise<Frame[]> {
  const seen: Frame[] = []
  for (let cursor = after; ;) {
    const device = await followOn(url, interactionId, cursor)
    const [frame] = await device.until(() => true)
    device.close()
    // The stream was closed before anything was told.
    if (!frame) continue
    seen.push(frame)
    if (isLast(frame)) return seen
    cursor = frame.id ?? cursor
  }
}
