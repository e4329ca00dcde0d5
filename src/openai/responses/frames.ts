import type { ResponseEvent } from './fold.ts'

/** What is written at once: a reader who takes even that much of a long answer is not stalled. */
const maxChunkChars = 64 * 1024

/** What ends each stream on OpenAI's wire. */
const done = 'data: [DONE]\n\n'

const finalTypes = new Set(['response.completed', 'response.incomplete', 'response.failed'])

/**
 * Events of a response as frames of an event stream. One that ends before the final event says so with an `error`
 * under the number that was told last: behind that a reader goes on.
 */
export async function* toFrames(
  batches: AsyncIterable<ResponseEvent[]>,
  { after, hasEnded, onComplete }: { after: number; hasEnded: boolean; onComplete: () => void },
): AsyncGenerator<string> {
  let last = after
  let isComplete = hasEnded
  for await (const batch of batches) {
    let frames = ''
    for (const event of batch) {
      last = event.sequence_number
      isComplete = finalTypes.has(event.type)
      frames += toFrame(event)
      if (frames.length < maxChunkChars) continue
      yield frames
      frames = ''
    }
    if (frames !== '') yield frames
  }
  if (isComplete) onComplete()
  yield isComplete ? done : toFrame(brokenOff(last))
}

function toFrame(event: ResponseEvent): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
}

/** In OpenAI's shape, and in that of Open Responses. */
export function brokenOff(sequenceNumber: number): ResponseEvent {
  const error = {
    type: 'server_error',
    code: 'stream_interrupted',
    message: 'The stream was closed before the end of the response: retrieve it with starting_after.',
    param: null,
  }
  const { type: _, ...flat } = error
  return { type: 'error', sequence_number: sequenceNumber, ...flat, error }
}
