import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'
import { ParleyError } from '../errors.ts'
import { levelOf } from '../log.ts'

/** How long a reader may take nothing before it is let go, at most; it can come back with its last id. */
const maxStalledMs = 60_000
/** How soon a reader should come back after the server closed its stream. */
const reconnectMs = 500
const closing = `retry: ${reconnectMs}\nevent: stream.closing\ndata: {"reconnect_ms":${reconnectMs}}\n\n`

export interface Streams {
  /** Throws a ParleyError where no further stream can be opened: ask before anything is stored. */
  mayOpen(): void
  /**
   * Answers with an event stream (HTML Living Standard, section 9.2) of `chunks`, each of them whole frames, and
   * ends when they do. Asks for the next chunk only when the reader has taken the last one. Refuses nobody: what
   * was stored for this answer could not be told otherwise. `farewell` stands last in one that is closed.
   */
  send(
    reply: FastifyReply,
    open: (signal: AbortSignal) => AsyncIterable<string>,
    status?: number,
    farewell?: string,
  ): Promise<FastifyReply>
  /** Counts a connection among them until what it returns is called; `close` is called when they are closed. */
  hold(close: () => void): () => void
  /** Closes every stream with a hint to reconnect, and opens no more. */
  close(): void
}

/** The event streams of this server. One timer keeps all of them alive. */
export function createStreams(options: { heartbeatMs: number; maxStreams: number }): Streams {
  const { heartbeatMs, maxStreams } = options
  const stalledMs = Math.min(maxStalledMs, 4 * heartbeatMs)
  const open = new Map<ServerResponse, { abort: AbortController; wroteSinceBeat: boolean }>()
  const held = new Set<() => void>()
  let isClosed = false

  const heartbeat = setInterval(() => {
    for (const [raw, stream] of open) {
      if (!stream.wroteSinceBeat && !raw.writableNeedDrain) raw.write(': keep-alive\n\n')
      stream.wroteSinceBeat = false
    }
  }, heartbeatMs)
  heartbeat.unref()

  function mayOpen() {
    if (isClosed) throw new ParleyError('server_stopping', 'The server is stopping.', { retryAfterMs: 1_000 })
    if (open.size + held.size < maxStreams) return
    throw new ParleyError('server_busy', 'Too many streams are open.', { retryAfterMs: 5_000 })
  }

  async function send(
    reply: FastifyReply,
    chunksUntil: (signal: AbortSignal) => AsyncIterable<string>,
    status = 200,
    farewell = closing,
  ): Promise<FastifyReply> {
    const { raw } = reply.hijack()
    // It left while its message was being stored; nothing would ever tell of it any more.
    if (raw.destroyed) return reply
    const stream = { abort: new AbortController(), wroteSinceBeat: true }
    const { signal } = stream.abort
    const { socket } = raw
    open.set(raw, stream)
    raw.once('close', () => {
      open.delete(raw)
      stream.abort.abort()
    })
    if (isClosed) stream.abort.abort()
    raw.writeHead(status, headersOf(reply))
    // They go out with the first chunk, or alone if none is there yet.
    const headers = setImmediate(() => raw.flushHeaders())
    try {
      let isFirst = true
      for await (const chunk of chunksUntil(signal)) {
        stream.wroteSinceBeat = true
        clearImmediate(headers)
        const isTaken = isFirst ? writeFirst(raw, chunk) : raw.write(chunk)
        isFirst = false
        if (!isTaken) await drained(raw, signal, stalledMs)
      }
      // Its connection would be kept for the next request, and waited for.
      if (isClosed) raw.once('finish', () => socket?.destroySoon())
      raw.end(signal.aborted ? farewell : undefined)
    } catch (error) {
      // Its reader comes back with its last id.
      reply.log[levelOf(error)]({ err: error, req_id: reply.request.id }, 'stream failed')
      raw.destroy()
    }
    return reply
  }

  function hold(onClose: () => void) {
    held.add(onClose)
    if (isClosed) onClose()
    return () => void held.delete(onClose)
  }

  function close() {
    isClosed = true
    for (const onClose of held) onClose()
    clearInterval(heartbeat)
    for (const { abort } of open.values()) abort.abort()
    // One that takes nothing would keep the server from ending.
    setTimeout(() => {
      for (const raw of open.keys()) raw.destroy()
    }, stalledMs / 30).unref()
  }

  return { mayOpen, send, hold, close }
}

/**
 * The headers are written apart from the first chunk, and sent with it: joined to it they would stay in memory in
 * the pieces that Node made them of, 2 KB for each open stream.
 */
function writeFirst(raw: ServerResponse, chunk: string): boolean {
  raw.socket?.cork()
  raw.flushHeaders()
  const isTaken = raw.write(chunk)
  raw.socket?.uncork()
  return isTaken
}

function headersOf(reply: FastifyReply) {
  return {
    ...(reply.getHeaders() as Record<string, string>),
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache, no-transform',
    // Tells nginx not to gather it.
    'x-accel-buffering': 'no',
  }
}

/** Resolves when the reader has taken what was written, or is gone; lets go of one that takes nothing. */
async function drained(raw: ServerResponse, signal: AbortSignal, stalledMs: number): Promise<void> {
  const stalled = setTimeout(() => raw.destroy(), stalledMs)
  try {
    await once(raw, 'drain', { signal })
  } catch {
    // Aborted: the reader is gone.
  } finally {
    clearTimeout(stalled)
  }
}
