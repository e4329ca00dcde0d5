import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { followOn } from '../support/feed.ts'
import { insertManyRows, longInteraction } from '../support/many-rows.ts'
import { type Plan, type PlanningPostgres, startPlanningPostgres } from '../support/plans.ts'
import { findPostgres } from '../support/postgres-server.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import { holdsBack, says, startUpstream, type Upstream } from '../support/upstream.ts'

/** What a statement may look at: some of its own pages, and the replies that are open. */
const maxRows = 2_500
/** More of them than PostgreSQL plans a prepared statement anew for. */
const turns = 12

/** By what they are known in the log: each of them must have been seen. */
const hot = {
  'taking positions for a post': /^update "interactions" set "last_position"/,
  'storing what was said': /^insert into "messages"/,
  'queueing a reply': /^insert into "replies"/,
  'finding the reply whose turn it is': /^select .* from "replies" where "interaction_id" = .* limit/,
  'reading settings': /^select "prompt", "sampling_json" from "interactions"/,
  'reading the history': /^select "messages"."position", .* from "messages" left join "replies"/,
  'claiming a reply': /^update "replies" set "attempt" =/,
  'finding the end of a log': /^select "sequence" from "events"/,
  'beginning a log': /^insert into "events"/,
  'writing to logs': /^with "writers" as .*insert into "events"/,
  'settling a reply': /^update "replies" set "status" = .* "finish_reason"/,
  'writing an answer': /^update "messages" set "content_json" = .* "tokens"/,
  'reading a log': /^select "sequence", .* from "replies" inner join "events"/,
  'reading many logs': /^(select|with) .*unnest.* "?events"?/,
  'comparing readers with logs': /^select "replies"."id", \(select max\("sequence"\)/,
  'finding a message': /^select .* from "messages" inner join "interactions" .* where "messages"."id" =/,
  'finding an interaction': /^select "id", .* from "interactions" where "id" =/,
  'listing interactions':
    /^select .* from "interactions" where "owner_id" = .* order by "id" (asc|desc) limit/,
  'listing interactions with messages': /^select .* from "interactions" .* exists \(select "messages"."id"/,
  'listing messages': /^select .* from "messages" left join "replies" .* order by "messages"."position" asc/,
  'listing messages backwards': /^select .* from "messages" left join "replies" .*"position" desc limit/,
  'listing replies': /^select .* from \(select .* from "replies".* where exists .* order by "id" desc limit/,
  'listing what was given up':
    /^select .* from \(select .* from "replies".* where exists .*\('failed', .* order by "id" desc limit/,
  'finding what to requeue':
    /^select .* from \(select .* from "replies".* where exists .* "events"\."sequence".* order by "id" asc/,
  'opening a reply again': /^update "replies" set "status" = .* "crashes" = .* "error_json"/,
  'finding a cursor': /^select "id", "branch", "position" from "messages" where "id" in/,
  sweeping: /^select .* from "replies" as "reply" .* not exists/,
  'looking for lost jobs': /from pgboss.job where .* union select singleton_key/,
  'finding what a dead node was making': /^select "interaction_id" from "replies" where "node"/,
  'handing back the jobs of a dead node': /^select id, retry_count .* singleton_key = any/,
  'finding events to remove': /^select "log" from "replies" where "log" >=/,
  'removing the events of a reply': /^delete from "events" where "log" in \(\$1\)/,
  'finding how far an interaction is': /^select "last_position" as .* from "interactions" where "id" = /,
  'reading what was posted': /^select "messages"."id", .* "messages"."position" <= /,
  'finding the replies of a reader': /^select "messages"."position", "messages"."id", case .* limit/,
  'finding what is open for a reader': /^select "position", "id", case .* from "replies"/,
  'reading changes': /^select "sequence", .* from "changes"/,
  'recording a change': /^update "interactions" set "last_change"/,
  'comparing devices with interactions': /^select "id", "last_position" as .* where "id" in/,
  'removing changes': /^delete from "changes"/,
  'finding what was said last':
    /^select "id" from "messages" where "interaction_id" = \$1 order by "position" desc/,
  'copying what was said': /^select "id", "position", "role", "content_json", .* from "messages"/,
  'finding what was said for an answer': /^select "messages"."id" from .* "replies"."id" is null/,
  'finding what else was said':
    /^select "id" from "messages" where "interaction_id" = \$1 and "position" > \$2/,
  'removing an interaction': /^delete from "interactions"/,
  'removing a message': /^delete from "messages"/,
  'enqueueing a job': /^INSERT INTO pgboss.job_common/,
  'fetching jobs': /strict_fifo_heads/,
  'completing jobs': /UPDATE pgboss.job_common SET completed_on/,
  'counting what waits': /^select count\(\*\)::int as waiting/,
}

let postgres: PlanningPostgres
let upstream: Upstream
let plans: Plan[]

/** Two nodes, and a user who does what there is to do. */
async function useEverything() {
  const join = (role: string) =>
    startServer({
      DATABASE_URL: postgres.url,
      // Few connections, so that each has planned each statement often enough.
      DATABASE_POOL_SIZE: '2',
      ROLE: role,
      OPENAI_BASE_URL: upstream.url,
      DEFAULT_MODEL: 'openai/model',
    })
  const [worker, api] = [await join('worker'), await join('api')]
  try {
    await talk(api)
    await follow(api)
    await goOnBehind(api)
    await browse(api)
    await removeSome(api)
    await seen('handing back the jobs of a dead node')
    await seen('counting what waits')
    await seen('finding events to remove')
  } finally {
    await api.stop()
    await worker.stop()
  }
}

async function talk(api: TestServer) {
  // Slow enough that not all is written together.
  upstream.behaves('model', says(['One ', 'two ', 'three'], { pauseMs: 15 }))
  const interaction = await api.begin()
  for (const turn of Array(turns).keys()) {
    const { reply } = await api.say(interaction, `Turn ${turn}`)
    await api.events(`/v1/messages/${reply.id}/events?after=1`)
  }
}

/** Responses behind responses: in their places, in copies, and gone again. */
async function goOnBehind(api: TestServer) {
  let previous: string | undefined
  for (let turn = 0; turn < turns; turn += 1) {
    const ask = (more: object = {}) =>
      api.post('/v1/responses', { input: `Turn ${turn}`, previous_response_id: previous, ...more })
    await ask({ store: false })
    previous = (await ask()).body.id
  }
  await api.request('DELETE', `/v1/responses/${previous}`)
}

/** A reader at another node than the one that writes, and what nobody told it. */
async function follow(api: TestServer) {
  const { behaviour, goOn } = holdsBack(['Some '], ['thing'])
  upstream.behaves('slow', behaviour)
  const interaction = await api.begin({ model: 'openai/slow' })
  const { body } = await api.post(`/v1/interactions/${interaction}/messages`, { content: 'Hello' })
  const { events } = await api.open(`/v1/messages/${body.reply.id}/events`)
  const device = await followOn(api.url, interaction)
  for await (const { type } of events) {
    if (type !== 'text.delta') continue
    await postgres.client.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'parley notices'",
    )
    await seen('comparing readers with logs')
    await seen('comparing devices with interactions')
    device.close()
    goOn()
  }
}

async function browse(api: TestServer) {
  for (const order of ['asc', 'desc']) {
    for (const list of ['/v1/interactions', `/v1/interactions/${longInteraction}/messages`]) {
      const { body } = await api.get(`${list}?order=${order}&limit=100`)
      const [first, last] = [body.data[0].id, body.data.at(-1).id]
      await api.get(`${list}?order=${order}&limit=100&after=${last}`)
      await api.get(`${list}?order=${order}&limit=100&before=${first}`)
      await api.get(`${list}?order=${order}&limit=100&after=${first}&before=${last}`)
      await api.get(`/v1/messages/${last}`)
    }
  }
  for (const status of ['', 'failed', 'queued', 'in_progress', 'completed', 'cancelled']) {
    const { body } = await api.get(`/v1/replies?limit=50${status && `&status=${status}`}`)
    if (body.next) await api.get(`/v1/replies?limit=50&after=${body.next}${status && `&status=${status}`}`)
  }
  for (let time = 0; time < turns; time += 1) await api.post('/v1/replies/requeue', { limit: 3 })
  await api.get(`/v1/interactions/${longInteraction}?include=messages`)
  await api.get('/interactions/')
  for (const turn of Array(turns).keys()) await lookIn(api, turn)
  await api.say(longInteraction, 'A long history')
}

/** A device that comes for the first time, and comes back. */
async function lookIn(api: TestServer, turn: number) {
  const now = await followOn(api.url, longInteraction)
  await api.request('PATCH', `/v1/interactions/${longInteraction}`, { title: `Turn ${turn}` })
  await now.until(({ type }) => type === 'interaction.changed')
  const [{ id = '' } = {}] = now.seen
  now.close()
  const back = await followOn(api.url, longInteraction, turn % 2 === 0 ? id : '0')
  await back.until(({ type }) => type !== 'stream.opened')
  back.close()
}

async function removeSome(api: TestServer) {
  const { body } = await api.get(`/v1/interactions/${longInteraction}/messages?order=desc&limit=10`)
  for (const { id } of body.data) await api.request('DELETE', `/v1/messages/${id}`)
  const { body: page } = await api.get('/v1/interactions?order=desc&limit=5')
  for (const { id } of page.data) await api.request('DELETE', `/v1/interactions/${id}`)
}

async function seen(what: keyof typeof hot) {
  const isSeen = async () => (await postgres.plans()).some(({ statement }) => hot[what].test(statement))
  await until(what, isSeen, 20_000)
}

describe.skipIf(findPostgres() === undefined)('with 100,000 messages', () => {
  beforeAll(async () => {
    postgres = await startPlanningPostgres()
    upstream = await startUpstream()
    await (await startServer({ DATABASE_URL: postgres.url })).stop()
    await insertManyRows(postgres.client, postgres.url)
    await postgres.watch()
    await useEverything()
    plans = await postgres.plans()
  }, 60_000)

  afterAll(async () => {
    await upstream.stop()
    await postgres.stop()
  })

  test.each(Object.entries(hot))('%s reads no table from end to end', (_what, pattern) => {
    const found = plans.filter(({ statement }) => pattern.test(statement))
    expect(found.length).toBeGreaterThan(0)
    expect(found.flatMap(({ nodes }) => nodes.filter(isTooMuch))).toEqual([])
  })

  test('nothing else that a node does reads a table from end to end either', () => {
    // Now and then, on one node, by the thousand: pg-boss counts and deletes what it keeps, and the events go of a
    // day that an open reply keeps.
    const inBulk = /^(BEGIN; SET LOCAL|UPDATE pgboss.queue|delete from "events" where "log" in \(\$1, )/
    const found = plans.filter(({ statement, nodes }) => nodes.some(isTooMuch) && !inBulk.test(statement))
    expect(found.map(({ statement, nodes }) => [statement.slice(0, 400), nodes.filter(isTooMuch)])).toEqual(
      [],
    )
  })
})

function isTooMuch({ type, table = '', rows }: Plan['nodes'][number]): boolean {
  if (!/^(interactions|messages|changes|replies|events_\d+|job_common)$/.test(table)) return false
  return rows > maxRows || (type === 'Seq Scan' && rows > 0)
}
