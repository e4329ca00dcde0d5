import { Agent, createServer, request as open } from 'node:http'
import { listenAndTell } from './listen.ts'

/** The floor of streaming: takes a request, asks the upstream, and passes its bytes on as they come. */
const upstream = process.env['UPSTREAM'] ?? ''
const agent = new Agent({ keepAlive: true })

const server = createServer((request, response) => {
  const forwarded = open(`${upstream}/chat/completions`, {
    method: 'POST',
    agent,
    headers: {
      'content-type': 'application/json',
      'content-length': request.headers['content-length'] ?? 0,
    },
  })
  forwarded.on('response', (answer) => {
    response.writeHead(answer.statusCode ?? 502, { 'content-type': answer.headers['content-type'] ?? '' })
    answer.pipe(response)
  })
  request.pipe(forwarded)
})

listenAndTell(server)
