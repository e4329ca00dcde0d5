import { Client } from 'pg'
import { startNginx } from '../test/support/nginx.ts'
import { beginInteractions, call } from './support/load.ts'
import { startMeasuredPostgres } from './support/postgres.ts'
import { childrenMb, cpuMs, residentMb, type Running, startHelper, startParley } from './support/processes.ts'
import { createWatcher } from './support/watcher.ts'

/**
 * What nodes and PostgreSQL cost, for the arithmetic of docs/operating-a-cluster.md:
 *   node bench/capacity.ts
 * CPU is time that processes were given, so that it counts alike on a busy machine. Everything is the mean of a
 * window, after it has settled.
 */
const windowMs = 10_000
const settleMs = 3_000
const streamCounts = [1_000, 5_000, 10_000]
const frontStreams = 5_000
const replyCounts = [20, 40, 80, 120]
/** So long that none ends in the window. */
const tokensPerReply = 1_500
const pauseMs = 20
const noticesPerSecond = 500
/** Of a notice that names five replies, and of one that names as many as it can. */
const noticeChars = [200, 7_500]

const postgres = await startMeasuredPostgres()
const upstream = await startHelper('upstream')
try {
  await measureRest()
  await measureOpenStreams()
  for (const replies of replyCounts) {
    await measureTokens(replies, 'where they are made')
    await measureTokens(replies, 'on another node')
  }
  for (const chars of noticeChars) for (const listeners of [2, 10, 40]) await measureNotices(chars, listeners)
} finally {
  await upstream.stop()
  await postgres.stop()
}

/** Nodes that have nothing to do. */
async function measureRest() {
  const nodes: Running[] = []
  for (const count of [1, 3]) {
    while (nodes.length < count) nodes.push(await startNode())
    const { pgCpuMs, nodeCpuMs, commits } = await measure(nodes)
    say(`${count} nodes at rest`, {
      'PostgreSQL, ms CPU/s': pgCpuMs,
      'commits/s': commits,
      'a node, ms CPU/s': nodeCpuMs[0] ?? 0,
      'a node, MB': memoryOf(nodes[0]),
    })
  }
  await stopAll(nodes)
}

/** Streams that bring nothing, each of a reply of its own. */
async function measureOpenStreams() {
  // One answer hangs, the others wait.
  const node = await startNode({ MAX_RUNNING_PER_PROVIDER: '1' })
  const replies = await postAll(node, streamCounts.at(-1) ?? 0)
  const base = { ...(await measure([node])), mb: memoryOf(node) }
  say(`no stream, ${replies.length} replies that wait`, {
    'PostgreSQL, ms CPU/s': base.pgCpuMs,
    'the node, ms CPU/s': base.nodeCpuMs[0] ?? 0,
    'the node, MB': base.mb,
  })
  const watcher = createWatcher()
  for (const count of streamCounts) {
    while (watcher.open < count) {
      const some = replies.slice(watcher.open, Math.min(count, watcher.open + 100))
      await Promise.all(some.map((id) => watcher.watch(eventsOf(node, id))))
    }
    const { pgCpuMs, nodeCpuMs } = await measure([node])
    const mb = memoryOf(node)
    say(`${count} open streams`, {
      'the node, MB': mb,
      'kB for each': ((mb - base.mb) * 1_000) / count,
      'the node, ms CPU/s': nodeCpuMs[0] ?? 0,
      'PostgreSQL, ms CPU/s': pgCpuMs,
      'PostgreSQL, µs CPU/s for each': ((pgCpuMs - base.pgCpuMs) / count) * 1_000,
    })
  }
  watcher.close()
  await measureFront(node, replies)
  await stopAll([node])
}

/** The same streams through nginx: what that takes itself. */
async function measureFront(node: Running, replies: string[]) {
  const nginx = await startNginx([node.url])
  const base = childrenMb(nginx.pid)
  const watcher = createWatcher()
  while (watcher.open < frontStreams) {
    const some = replies.slice(watcher.open, watcher.open + 100)
    await Promise.all(some.map((id) => watcher.watch(eventsOf(nginx, id))))
  }
  const mb = childrenMb(nginx.pid)
  say(`${frontStreams} open streams through nginx`, {
    'its workers, MB': mb,
    'kB for each': ((mb - base) * 1_000) / frontStreams,
  })
  watcher.close()
  await nginx.remove()
}

/** Replies of 50 tokens/s, made on one of two nodes, each with one reader. */
async function measureTokens(count: number, readers: 'where they are made' | 'on another node') {
  // It makes none of them: its only place is taken.
  const other = await startNode({ MAX_RUNNING_REPLIES: '1' })
  await postAll(other, 1)
  const maker = await startNode({ DEFAULT_MODEL: `openai/tokens:${tokensPerReply}:${pauseMs}` })
  const notices = await hearNotices()
  const watcher = createWatcher()
  const replies = await postAll(maker, count)
  const reader = readers === 'on another node' ? other : maker
  await Promise.all(replies.map((id) => watcher.watch(eventsOf(reader, id))))
  const used = await measure([maker, other], () => ({
    tokens: watcher.tokens,
    events: watcher.events,
    notices: notices.count(),
  }))
  const perSecond = used.counted.tokens
  const perToken = (amount: number) => amount / perSecond
  say(`${count} replies of 50 tokens/s, read ${readers}`, {
    'tokens/s': perSecond,
    'events/s': used.counted.events,
    'commits/s': used.commits,
    'NOTIFY/s': used.counted.notices,
    'rows/token': perToken(used.eventRows),
    'bytes kept/token': perToken(used.eventBytes),
    'bytes of WAL/token': perToken(used.walBytes),
    'PostgreSQL, µs CPU/token': perToken(used.pgCpuMs * 1_000),
    'the maker, µs CPU/token': perToken((used.nodeCpuMs[0] ?? 0) * 1_000),
    'the other, µs CPU/token': perToken((used.nodeCpuMs[1] ?? 0) * 1_000),
    'the maker, MB': memoryOf(maker),
  })
  watcher.close()
  await notices.stop()
  await stopAll([maker, other])
}

/** Notices, sent as a node sends them, with so many who hear them. */
async function measureNotices(chars: number, listeners: number) {
  const heard = await Promise.all(Array.from({ length: listeners }, hearNotices))
  const idle = await measure([])
  const payload = 'x'.repeat(chars)
  const everyMs = 1_000 / noticesPerSecond
  const over = new AbortController()
  const sending = (async () => {
    for (let at = performance.now(); !over.signal.aborted; at += everyMs) {
      await postgres.admin.query('select pg_notify($1, $2)', ['parley', payload])
      await pause(Math.max(0, at + everyMs - performance.now()))
    }
  })()
  const { pgCpuMs, counted } = await measure([], () => ({ notices: heard[0]?.count() ?? 0 }))
  over.abort()
  await sending
  say(`notices of ${chars} bytes, heard by ${listeners}`, {
    'NOTIFY/s': counted.notices,
    'PostgreSQL, µs CPU for each': ((pgCpuMs - idle.pgCpuMs) * 1_000) / counted.notices,
  })
  for (const { stop } of heard) await stop()
}

function startNode(env: Record<string, string> = {}): Promise<Running> {
  return startParley({
    DATABASE_URL: postgres.url,
    OPENAI_BASE_URL: `${upstream.url}/v1`,
    DEFAULT_MODEL: 'openai/hang',
    FIRST_TOKEN_TIMEOUT_MS: '3600000',
    ...env,
  })
}

/** Stops nodes, and removes what they left to do. */
async function stopAll(nodes: Running[]) {
  await Promise.all(nodes.map((node) => node.stop()))
  await postgres.admin.query('truncate interactions, messages, replies, events, pgboss.job')
}

/** Posts to `count` interactions, and gives the ids of their replies. */
async function postAll(node: Running, count: number): Promise<string[]> {
  const interactions = await beginInteractions(node.url, count)
  const replies: string[] = []
  while (replies.length < count) {
    const some = interactions.slice(replies.length, replies.length + 50)
    const posted = await Promise.all(
      some.map((id) =>
        call<{ reply: { id: string } }>('POST', `${node.url}/v1/interactions/${id}/messages`, {
          content: 'Hello',
        }),
      ),
    )
    replies.push(...posted.map(({ reply }) => reply.id))
  }
  return replies
}

function eventsOf(node: Pick<Running, 'url'>, replyId: string): string {
  return `${node.url}/v1/messages/${replyId}/events`
}

async function hearNotices() {
  const client = new Client({ connectionString: postgres.url })
  let count = 0
  client.on('notification', () => (count += 1))
  await client.connect()
  await client.query('listen parley')
  return { count: () => count, stop: () => client.end() }
}

/** What `nodes` and PostgreSQL use, and how fast what `count` counts grows, all of it per second. */
async function measure<Counted extends Record<string, number>>(
  nodes: Running[],
  count: () => Counted = () => ({}) as Counted,
) {
  const sample = async () => ({
    at: performance.now(),
    pgCpuMs: postgres.cpuMs(),
    nodeCpuMs: nodes.map(({ pid }) => cpuMs(pid)),
    counted: count(),
    counters: await postgres.counters(),
  })
  await pause(settleMs)
  const before = await sample()
  await pause(windowMs)
  const after = await sample()
  const perSecond = (from: number, to: number) => ((to - from) * 1_000) / (after.at - before.at)
  const all = <Values extends Record<string, number>>(from: Values, to: Values) =>
    Object.fromEntries(
      Object.entries(to).map(([name, value]) => [name, perSecond(from[name] ?? 0, value)]),
    ) as Values
  return {
    ...all(before.counters, after.counters),
    counted: all(before.counted, after.counted),
    pgCpuMs: perSecond(before.pgCpuMs, after.pgCpuMs),
    nodeCpuMs: after.nodeCpuMs.map((value, index) => perSecond(before.nodeCpuMs[index] ?? 0, value)),
  }
}

function memoryOf(node: Running | undefined): number {
  return node ? residentMb(node.pid) : Number.NaN
}

function say(what: string, figures: Record<string, number>) {
  const list = Object.entries(figures).map(([name, value]) => `${name} ${round(value)}`)
  process.stdout.write(`${what}: ${list.join('; ')}\n`)
}

function round(value: number): string {
  return Math.abs(value) >= 10 ? value.toFixed(0) : value.toFixed(2)
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
