import { Client } from 'pg'
import { newId } from '../ids.ts'
import type { Log } from '../log.ts'

const channel = 'parley'
/** At most one NOTIFY in this time: one for each token would serialize all commits on one lock. */
const gatherMs = 20
/** PostgreSQL takes at most 8,000 bytes in one. */
const maxNoticeChars = 7_500
const reconnectMs = 250
const pingMs = 5_000

export type Topic = 'advanced' | 'ended' | 'halted' | 'jobs' | 'moved'

/**
 * What nodes tell each other through PostgreSQL. A notice only saves time: who missed one finds the same in the
 * rows. So it is sent after the commit, in batches, and never waited for.
 */
export interface Notices {
  /** Tells every other node of `value`, at once or within `gatherMs`. The same value said twice is told once. */
  tell(topic: Topic, value: string): void
  /** `onValue` hears of what others tell. */
  listen(topic: Topic, onValue: (value: string) => void): void
  /** `onGap` hears that notices may have been missed: after each (re)connection. */
  onGap(effect: () => void): void
  /** Runs at each (re)connection, on the connection that notices come by, which lives as long as this node. */
  onConnect(effect: (session: Session) => Promise<void>): void
  start(): Promise<void>
  stop(): Promise<void>
}

/** The one connection of a node that is never shared or given back. */
export interface Session {
  query(sql: string, values?: unknown[]): Promise<{ rows: Array<Record<string, unknown>> }>
}

export function createNotices(options: { url: string; log: Log }): Notices {
  const { url, log } = options
  const node = newId()
  const listeners = new Map<Topic, Array<(value: string) => void>>()
  const onGaps: Array<() => void> = []
  const onConnects: Array<(session: Session) => Promise<void>> = []
  const gathered = new Map<Topic, Set<string>>()
  let client: Client | undefined
  let timer: NodeJS.Timeout | undefined
  let ping: NodeJS.Timeout | undefined
  let sending = Promise.resolve()
  let lastSentAt = Number.NEGATIVE_INFINITY
  const stopped = new AbortController()

  async function connect(): Promise<void> {
    const next = new Client({
      connectionString: url,
      application_name: 'parley notices',
      connectionTimeoutMillis: 5_000,
      query_timeout: 5_000,
      keepAlive: true,
    })
    let isGone = false
    const onGone = () => {
      isGone = true
      lost(next)
    }
    next.on('error', onGone)
    next.on('end', onGone)
    next.on('notification', ({ payload = '' }) => hear(payload))
    try {
      await next.connect()
      await next.query(`listen ${channel}`)
      for (const effect of onConnects) await effect(next)
      if (isGone) throw new Error('the connection was lost while it was made')
    } catch (error) {
      await next.end().catch(() => {})
      throw error
    }
    client = next
    ping = setInterval(() => check(next), pingMs)
    for (const effect of onGaps) effect()
  }

  /** A connection that is silently gone is found by asking. */
  function check(which: Client) {
    sending = sending.then(async () => {
      try {
        await which.query('select 1')
      } catch {
        lost(which)
      }
    })
  }

  function lost(which: Client) {
    if (client !== which) return
    client = undefined
    clearInterval(ping)
    void which.end().catch(() => {})
    if (stopped.signal.aborted) return
    log.warn('the connection for notices is lost, connecting again')
    void reconnect()
  }

  async function reconnect() {
    while (!stopped.signal.aborted) {
      try {
        await connect()
        log.info('the connection for notices is back')
        return
      } catch (error) {
        log.debug({ err: error }, 'no connection for notices yet')
        await new Promise((resolve) => setTimeout(resolve, reconnectMs))
      }
    }
  }

  function hear(payload: string) {
    const [from, topic, values = ''] = payload.split(' ')
    if (from === node) return
    for (const value of values.split(',')) {
      for (const onValue of listeners.get(topic as Topic) ?? []) onValue(value)
    }
  }

  /** While one batch is under way, the next one gathers. */
  async function send() {
    const batch = [...gathered].flatMap(([topic, values]) =>
      [...inPieces(values)].map((text) => `${node} ${topic} ${text}`),
    )
    gathered.clear()
    lastSentAt = performance.now()
    const by = client
    try {
      for (const notice of batch) await by?.query('select pg_notify($1, $2)', [channel, notice])
    } catch {
      // They are not told: the others look into the rows from time to time, and when a connection is back.
      if (by) lost(by)
    }
    timer = undefined
    if (gathered.size > 0) schedule()
  }

  /** After a silence at once: a reader elsewhere waits for it, and nothing is gained by waiting, too. */
  function schedule() {
    timer ??= setTimeout(sendSoon, Math.max(0, lastSentAt + gatherMs - performance.now()))
  }

  /** One query at a time: the connection takes no second one. */
  function sendSoon() {
    sending = sending.then(send)
  }

  return {
    tell(topic, value) {
      const values = gathered.get(topic)
      if (values) values.add(value)
      else gathered.set(topic, new Set([value]))
      schedule()
    },
    listen(topic, onValue) {
      listeners.set(topic, [...(listeners.get(topic) ?? []), onValue])
    },
    onGap: (effect) => void onGaps.push(effect),
    onConnect: (effect) => void onConnects.push(effect),
    start: connect,
    async stop() {
      clearTimeout(timer)
      clearInterval(ping)
      await sending
      await send()
      clearTimeout(timer)
      stopped.abort()
      clearInterval(ping)
      const last = client
      client = undefined
      await last?.end().catch(() => {})
    },
  }
}

/** The values, comma-separated, in texts that fit a notice. */
export function* inPieces(values: Iterable<string>): Generator<string> {
  let text = ''
  for (const value of values) {
    if (text !== '' && text.length + value.length + 1 > maxNoticeChars) {
      yield text
      text = ''
    }
    text += text === '' ? value : `,${value}`
  }
  if (text !== '') yield text
}
