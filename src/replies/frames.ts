/** What is written at once: a reader who takes even that much of a long answer is not stalled. */
const maxChunkChars = 64 * 1024

/** What a frame says; `sequence` is its id, from which a reader resumes, if it can. */
export interface Framed {
  sequence: number | string | undefined
  type: string
  /** JSON. */
  data: string
}

/** Events as frames of an event stream; those that are committed together are written together. */
export async function* toFrames(batches: AsyncIterable<Framed[]>): AsyncGenerator<string> {
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

function toFrame({ sequence, type, data }: Framed): string {
  // Their JSON has no line break, so that it is one data field.
  const id = sequence === undefined ? '' : `id: ${sequence}\n`
  return `${id}event: ${type}\ndata: ${data}\n\n`
}

/** A frame that is not in the log, and has no id. */
export function unnumberedFrame(type: string, data: object): string {
  return `event: ${type}\ndata: ${JSON.stringify(data)}\n\n`
}
