import { createServer } from 'node:http'
import { DatabaseSync } from 'node:sqlite'
import { v7 } from 'uuid'

/**
 * The floor of posting: bare `node:http`, and by hand the statements that a post takes, on the same tables and
 * with the same durability, committed in groups. No validation, no framework, no owner, no job.
 */
const db = new DatabaseSync(process.env['DATABASE'] ?? '')
db.exec('pragma journal_mode = wal; pragma synchronous = full')
const begin = db.prepare('begin immediate')
const commit = db.prepare('commit')
const takePositions = db.prepare(
  'update interactions set last_position = last_position + 2, updated_at = ? where id = ? returning last_position',
)
const insertMessage = db.prepare('insert into messages values (?, ?, ?, ?, ?, ?, ?, ?, ?)')
const insertReply = db.prepare(
  "insert into replies (id, interaction_id, position, status, model, attempt, crashes, failures, throttles, created_at, updated_at) values (?, ?, ?, 'queued', ?, 0, 0, 0, 0, ?, ?)",
)

let gathering: Array<() => () => void> = []

function write(work: () => () => void) {
  gathering.push(work)
  if (gathering.length === 1) setImmediate(commitTogether)
}

function commitTogether() {
  const batch = gathering
  gathering = []
  begin.run()
  const answers = batch.map((work) => work())
  commit.run()
  for (const answer of answers) answer()
}

const server = createServer((request, response) => {
  let text = ''
  request.setEncoding('utf8')
  request.on('data', (chunk: string) => (text += chunk))
  request.on('end', () => {
    const [, , , id = ''] = (request.url ?? '').split('/')
    const { content } = JSON.parse(text) as { content: string }
    write(() => {
      const now = Date.now()
      const { last_position: last } = takePositions.get(now, id) as { last_position: number }
      const message = { id: v7(), position: last - 1, content: [{ type: 'text', text: content }] }
      const reply = { id: v7(), position: last }
      insertMessage.run(message.id, id, last - 1, 'Human', JSON.stringify(message.content), '{}', 5, now, now)
      insertMessage.run(reply.id, id, last, 'AI', '[]', '{}', 0, now, now)
      insertReply.run(reply.id, id, last, 'openai/hang', now, now)
      return () => {
        response.writeHead(201, { 'content-type': 'application/json' })
        response.end(JSON.stringify({ message, reply }))
      }
    })
  })
})
server.keepAliveTimeout = 75_000

server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (typeof address === 'object' && address) process.send?.(address.port)
})
