import { DatabaseSync } from 'node:sqlite'
import { v7 } from 'uuid'

export interface Posted {
  message: { id: string; position: number; content: Array<{ type: string; text: string }> }
  reply: { id: string; position: number }
}

/**
 * The SQLite work of the floors: by hand the statements that a post and an answer take, on the server's own
 * tables and with its durability, committed in groups.
 */
export function openFloorDatabase(path: string) {
  const db = new DatabaseSync(path)
  db.exec('pragma journal_mode = wal; pragma synchronous = full')
  const begin = db.prepare('begin immediate')
  const commit = db.prepare('commit')
  const takePositions = db.prepare(
    'update interactions set last_position = last_position + 2, updated_at = ? where id = ? returning last_position',
  )
  const insertMessage = db.prepare(
    'insert into messages (id, interaction_id, position, role, content_json, metadata_json, tokens, created_at, updated_at) values (?, ?, ?, ?, ?, ?, ?, ?, ?)',
  )
  const insertReply = db.prepare(
    "insert into replies (id, interaction_id, position, status, model, attempt, crashes, failures, throttles, created_at, updated_at) values (?, ?, ?, 'queued', ?, 0, 0, 0, 0, ?, ?)",
  )
  const settleReply = db.prepare(
    "update replies set status = 'completed', attempt = 1, finish_reason = 'stop', started_at = ?, completed_at = ?, updated_at = ? where id = ? returning log",
  )
  const setContent = db.prepare(
    'update messages set content_json = ?, tokens = ?, updated_at = ? where id = ?',
  )
  const insertEvent = db.prepare('insert into events values (?, ?, ?, ?, ?)')

  let gathering: Array<() => () => void> = []

  /** Runs `work` in the next commit, then what it returned. */
  function write(work: () => () => void) {
    gathering.push(work)
    if (gathering.length === 1) setImmediate(commitTogether)
  }

  function commitTogether() {
    const batch = gathering
    gathering = []
    begin.run()
    const effects = batch.map((work) => work())
    commit.run()
    for (const effect of effects) effect()
  }

  /** Stores a message and a reply to come. */
  function post(interactionId: string, content: string): Posted {
    const now = Date.now()
    const { last_position: last } = takePositions.get(now, interactionId) as { last_position: number }
    const message = { id: v7(), position: last - 1, content: [{ type: 'text', text: content }] }
    const reply = { id: v7(), position: last }
    const said = JSON.stringify(message.content)
    insertMessage.run(message.id, interactionId, last - 1, 'Human', said, '{}', 5, now, now)
    insertMessage.run(reply.id, interactionId, last, 'AI', '[]', '{}', 0, now, now)
    insertReply.run(reply.id, interactionId, last, 'openai/hang', now, now)
    return { message, reply }
  }

  /** Ends a reply with `text`, and a log of three events. */
  function settle(replyId: string, text: string): void {
    const now = Date.now()
    const { log } = settleReply.get(now, now, now, replyId) as { log: number }
    setContent.run(JSON.stringify([{ type: 'text', text }]), 20, now, replyId)
    insertEvent.run(log, 1, 'reply.started', '{}', now)
    insertEvent.run(log, 2, 'text.delta', JSON.stringify({ text }), now)
    insertEvent.run(log, 3, 'reply.completed', '{}', now)
  }

  return { write, post, settle }
}
