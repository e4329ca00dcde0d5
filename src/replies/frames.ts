import type { ReplyEvent } from '../events/event.ts'

/** What is written at once: a reader who takes even that much of a long answer is not stalled. */
const maxChunkChars = 64 * 1024

/** Events as frames of an event stream; those that are committed together are written together. */
export async function* toFrames(batches: AsyncIterable<ReplyEvent[]>): AsyncGenerator<string> {
  for await (const batch of batches) {
    let frames = ''
    for (const event of batch) {
      frames += toFrame(event)
      if (frames.length < maxChunkChars) continue
      yield frames
      frames = ''
    }
    if (frames !== '') yield frames
  }
}

function toFrame({ sequence, type, data }: ReplyEvent): string {
  // Their JSON has no line break, so that it is one data field.
  return `id: ${sequence}\nevent: ${type}\ndata: ${data}\n\n`
}

/** A frame that is not in the log, and has no id. */
export function unnumberedFrame(type: string, data: object): string {
  return `event: ${type}\ndata: ${JSON.stringify(data)}\n\n`
}
