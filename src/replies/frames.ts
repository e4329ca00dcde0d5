import type { ReplyEvent } from '../events/event.ts'

/** Events as frames of an event stream; those that are committed together are written together. */
export async function* toFrames(batches: AsyncIterable<ReplyEvent[]>): AsyncGenerator<string> {
  for await (const batch of batches) yield batch.map(toFrame).join('')
}

function toFrame({ sequence, type, data }: ReplyEvent): string {
  // Their JSON has no line break, so that it is one data field.
  return `id: ${sequence}\nevent: ${type}\ndata: ${data}\n\n`
}

/** A frame that is not in the log, and has no id. */
export function unnumberedFrame(type: string, data: object): string {
  return `event: ${type}\ndata: ${JSON.stringify(data)}\n\n`
}
