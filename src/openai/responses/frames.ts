import { isRemoved } from '../../errors.ts'
import type { ResponseEvent } from './fold.ts'

/** What is written at once: a reader who takes even that much of a long answer is not stalled. */
const maxChunkChars = 64 * 1024

/** What ends each stream on OpenAI's wire. */
const done = 'data: [DONE]\n\n'

const finalTypes = new Set(['response.completed', 'response.incomplete', 'response.failed'])

/**
 * Events of a response as frames of an event stream. One that ends before the final event says so with an `error`
 * under the number that was told last: behind that a reader goes on, unless the response is no more.
 */
export async function* toFrames(
  batches: AsyncIterable<ResponseEvent[]>,
  { after, hasEnded, onComplete }: { after: number; hasEnded: boolean; onComplete: () => void },
): AsyncGenerator<string> {
  let last = after
  let isComplete = hasEnded
  try {
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
  } catch (error) {
    if (!isRemoved(error)) throw error
    yield toFrame(errorEvent(last, gone)) + done
    return
  }
  if (isComplete) onComplete()
  yield isComplete ? done : toFrame(errorEvent(last, closed))
}

function toFrame(event: ResponseEvent): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
}

const closed = {
  type: 'server_error',
  code: 'stream_interrupted',
  message: 'The stream was closed before the end of the response: retrieve it with starting_after.',
  param: null,
}
const gone = {
  type: 'invalid_request_error',
  code: 'removed',
  message: 'The response was deleted while it was made: nothing more of it will come.',
  param: null,
}

/** In OpenAI's shape, and in that of Open Responses. */
function errorEvent(sequenceNumber: number, error: typeof closed): ResponseEvent {
  const { type: _, ...flat } = error
  return { type: 'error', sequence_number: sequenceNumber, ...flat, error }
}
