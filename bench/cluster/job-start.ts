import { setTimeout as pause } from 'node:timers/promises'
import { makeDatabase, numberFrom } from '../support/databases.ts'
import { beginInteractions, percentiles, read, send } from '../support/load.ts'
import { startNode } from '../support/node.ts'
import type { MeasuredPostgres } from '../support/postgres.ts'
import type { Running } from '../support/processes.ts'
import { isQuick, type Line, round } from '../support/report.ts'
import { sharedNowMs, stampsIn } from '../support/stamps.ts'

const posts = isQuick ? 100 : 600
const warmUpPosts = 60
const postsPerSecond = 25
const model = 'stamped:1:0'
const body = JSON.stringify({ content: 'Hello' })

/** From the 201 of a post, which follows its commit, until the upstream has the request for the answer. */
export async function benchJobStart(postgres: MeasuredPostgres, upstream: Running): Promise<Line[]> {
  return [
    await measure(postgres, upstream, 'both nodes work', { posted: 'all', other: 'all' }),
    await measure(postgres, upstream, 'only the other node works', { posted: 'api', other: 'worker' }),
  ]
}

async function measure(
  postgres: MeasuredPostgres,
  upstream: Running,
  what: string,
  roles: { posted: string; other: string },
): Promise<Line> {
  const database = await makeDatabase(postgres, `starts_${roles.posted}`)
  const node = await startNode(database, upstream, model, { ROLE: roles.posted })
  const number = await numberFrom(database, 'select max(number) from nodes')
  const other = await startNode(database, upstream, model, { ROLE: roles.other })
  const ids = await beginInteractions(node.url, warmUpPosts + posts)
  await startAll(node, ids.splice(0, warmUpPosts))
  const started = await startAll(node, ids)

  const made = `select count(*) filter (where node <> ${number}) * 1.0 / count(*) from replies`
  const elsewhere = await numberFrom(database, made)
  await Promise.all([node.stop(), other.stop()])
  const after201 = percentiles(started.map(({ answeredAt, askedAt }) => askedAt - answeredAt))
  const afterPost = percentiles(started.map(({ sentAt, askedAt }) => askedAt - sentAt))
  return {
    bench: 'cluster',
    what: `upstream asked after the 201 of a post, p50, ${what}`,
    measured: after201.p50,
    unit: 'ms',
    target: { atMost: 20 },
    of: `p99 ${round(after201.p99)} ms; after the post was sent p50 ${round(afterPost.p50)} ms; ${round(elsewhere * 100)} % made on the other node`,
  }
}

interface Started {
  sentAt: number
  answeredAt: number
  askedAt: number
}

/** Posts at random times, so often as `postsPerSecond` says. */
function startAll(node: Running, ids: string[]): Promise<Started[]> {
  const duringMs = (ids.length / postsPerSecond) * 1_000
  return Promise.all(ids.map((id) => pause(Math.random() * duringMs).then(() => startOne(node, id))))
}

async function startOne({ url }: Running, id: string): Promise<Started> {
  const sentAt = sharedNowMs()
  const { response } = await send('POST', `${url}/v1/interactions/${id}/messages`, body)
  const answeredAt = sharedNowMs()
  const posted = JSON.parse(await read(response)) as { reply: { id: string } }
  const stream = await send('GET', `${url}/v1/messages/${posted.reply.id}/events`)
  // The one token of the answer says when its request came.
  const [askedAt] = stampsIn(await read(stream.response))
  if (askedAt === undefined) throw new Error('an answer came without its token')
  return { sentAt, answeredAt, askedAt }
}
