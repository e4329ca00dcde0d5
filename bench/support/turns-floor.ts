import { Agent, createServer, request as open } from 'node:http'
import { openFloorDatabase } from './floor-database.ts'
import { read } from './load.ts'
import { listenAndTell } from './listen.ts'

/**
 * The floor of a turn: a post as `posts-floor` stores it, a request to the upstream as `relay` makes it, and the
 * answer stored when it is whole. Two commits, no history, nothing to follow or resume.
 */
const db = openFloorDatabase(process.env['DATABASE'] ?? '')
const upstream = `${process.env['UPSTREAM']}/chat/completions`
const model = process.env['MODEL']
const agent = new Agent({ keepAlive: true })

const server = createServer(async (request, response) => {
  const [, , , id = ''] = (request.url ?? '').split('/')
  const { content } = JSON.parse(await read(request)) as { content: string }
  db.write(() => {
    const posted = db.post(id, content)
    return () => ask(content, (answer) => settle(posted.reply.id, answer))
  })

  function settle(replyId: string, answer: string) {
    db.write(() => {
      db.settle(replyId, answer)
      return () => {
        response.writeHead(201, { 'content-type': 'application/json' })
        response.end(JSON.stringify({ reply: { id: replyId, status: 'completed', text: answer } }))
      }
    })
  }
})

function ask(content: string, onAnswer: (text: string) => void) {
  const body = JSON.stringify({ model, stream: true, messages: [{ role: 'user', content }] })
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
  open(upstream, { method: 'POST', agent, headers }, async (response) => {
    const text = await read(response)
    const deltas = text.matchAll(/"content":"([^"]*)"/g)
    onAnswer(Array.from(deltas, ([, delta]) => delta).join(''))
  }).end(body)
}

listenAndTell(server)
