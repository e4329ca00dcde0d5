import { createServer } from 'node:http'
import { Pool, type PoolClient } from 'pg'
import { PgBoss } from 'pg-boss'
import { v7 } from 'uuid'
import { read } from './load.ts'
import { listenAndTell } from './listen.ts'

/**
 * The floor of posting on PostgreSQL: bare `node:http` and `pg`, and by hand the statements of a post, prepared,
 * in one transaction on the server's own tables, with the job as pg-boss writes it. No validation, no framework,
 * no owner.
 */
const connectionString = process.env['DATABASE'] ?? ''
const pool = new Pool({ connectionString, max: Number(process.env['POOL_SIZE']) })
const insertJob = await findJobInsert()

const takePositions = prepared(
  'positions',
  'update interactions set last_position = last_position + 2, updated_at = $1 where id = $2 returning last_position',
)
const insertMessage = prepared(
  'message',
  'insert into messages (id, interaction_id, position, role, content_json, metadata_json, tokens, created_at, updated_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)',
)
const insertReply = prepared(
  'reply',
  "insert into replies (id, interaction_id, position, status, model, attempt, crashes, failures, throttles, created_at, updated_at) values ($1, $2, $3, 'queued', $4, 0, 0, 0, 0, $5, $6)",
)

const server = createServer(async (request, response) => {
  const [, , , id = ''] = (request.url ?? '').split('/')
  const { content } = JSON.parse(await read(request)) as { content: string }
  const posted = await post(id, content)
  response.writeHead(201, { 'content-type': 'application/json' })
  response.end(JSON.stringify(posted))
})

async function post(interactionId: string, content: string) {
  const client = await pool.connect()
  try {
    await client.query('begin')
    const now = Date.now()
    const { rows } = await takePositions(client, [now, interactionId])
    const last = Number((rows[0] as { last_position: string }).last_position)
    const message = { id: v7(), position: last - 1, content: [{ type: 'text', text: content }] }
    const reply = { id: v7(), position: last }
    const said = JSON.stringify(message.content)
    await insertMessage(client, [message.id, interactionId, last - 1, 'Human', said, '{}', 5, now, now])
    await insertMessage(client, [reply.id, interactionId, last, 'AI', '[]', '{}', 0, now, now])
    await insertReply(client, [reply.id, interactionId, last, 'openai/hang', now, now])
    await insertJob(client, interactionId)
    await client.query('commit')
    return { message, reply }
  } finally {
    client.release()
  }
}

function prepared(name: string, text: string) {
  return (client: PoolClient, values: unknown[]) => client.query({ name, text, values })
}

/** The statement that pg-boss inserts a job with, which has no other source than pg-boss. */
async function findJobInsert() {
  const boss = new PgBoss({ connectionString, max: 1, schedule: false, supervise: false })
  await boss.start()
  let seen: { text: string; values: unknown[] } | undefined
  const db = {
    executeSql: async (text: string, values: unknown[] = []) => {
      seen = { text, values }
      return { rows: [{ id: v7() }] }
    },
  }
  await boss.send('looks', {}, { db, id: v7(), singletonKey: v7(), group: { id: 'openai' } })
  await boss.stop({ graceful: false })
  if (!seen) throw new Error('pg-boss inserted nothing')
  const insert = prepared('job', seen.text)
  const [job] = JSON.parse(String(seen.values[0])) as [object]
  return (client: PoolClient, interactionId: string) => {
    const own = { ...job, id: v7(), data: { interactionId }, singletonKey: interactionId }
    return insert(client, [JSON.stringify([own])])
  }
}

listenAndTell(server)
