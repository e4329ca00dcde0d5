import { DatabaseSync } from 'node:sqlite'
import { v7 } from 'uuid'

const said = 'What is the capital of the country where the river Kwai is? '.repeat(4)

/**
 * Writes `count` messages, questions and answers in turn, into an interaction of a database that no server uses
 * meanwhile. The ids, by position.
 */
export function seedMessages(databasePath: string, interactionId: string, count: number): string[] {
  const db = new DatabaseSync(databasePath)
  const insertMessage = db.prepare(
    'insert into messages (id, interaction_id, position, role, content_json, metadata_json, tokens, created_at, updated_at) values (?, ?, ?, ?, ?, ?, ?, ?, ?)',
  )
  const insertReply = db.prepare(
    "insert into replies (id, interaction_id, position, status, model, attempt, crashes, failures, throttles, finish_reason, usage_json, created_at, started_at, completed_at, updated_at) values (?, ?, ?, 'completed', 'openai/gpt', 1, 0, 0, 0, 'stop', ?, ?, ?, ?, ?)",
  )
  const usage = JSON.stringify({
    input_tokens: 60,
    cached_input_tokens: null,
    output_tokens: 60,
    reasoning_tokens: null,
  })
  const content = JSON.stringify([{ type: 'text', text: said }])
  const now = Date.now()
  db.exec('begin')
  const ids = Array.from({ length: count }, (_, index) => {
    const id = v7()
    const isQuestion = index % 2 === 0
    const role = isQuestion ? 'Human' : 'AI'
    insertMessage.run(id, interactionId, index + 1, role, content, '{}', 60, now, now)
    if (!isQuestion) insertReply.run(id, interactionId, index + 1, usage, now, now, now, now)
    return id
  })
  db.prepare('update interactions set last_position = ? where id = ?').run(count, interactionId)
  db.exec('commit')
  db.close()
  return ids
}
