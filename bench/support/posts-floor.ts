import { createServer } from 'node:http'
import { openFloorDatabase } from './floor-database.ts'
import { listenAndTell } from './listen.ts'

/**
 * The floor of posting: bare `node:http`, and the SQLite work of a post. No validation, no framework, no owner,
 * no job.
 */
const db = openFloorDatabase(process.env['DATABASE'] ?? '')

const server = createServer((request, response) => {
  let text = ''
  request.setEncoding('utf8')
  request.on('data', (chunk: string) => (text += chunk))
  request.on('end', () => {
    const [, , , id = ''] = (request.url ?? '').split('/')
    const { content } = JSON.parse(text) as { content: string }
    db.write(() => {
      const posted = db.post(id, content)
      return () => {
        response.writeHead(201, { 'content-type': 'application/json' })
        response.end(JSON.stringify(posted))
      }
    })
  })
})
listenAndTell(server)
