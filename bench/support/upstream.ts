import { createServer, type ServerResponse } from 'node:http'
import { stamp } from './stamps.ts'
import { listenAndTell } from './listen.ts'

/**
 * The model of every benchmark, in a process of its own. The model's name says what it does:
 * `tokens:<count>:<pause in ms>`, `stamped:<count>:<pause in ms>` (each token says when it was sent), or `hang`.
 */
const server = createServer((request, response) => {
  if (request.method === 'GET') {
    response.setHeader('content-type', 'application/json')
    response.end('{"object":"list","data":[]}')
    return
  }
  let text = ''
  request.setEncoding('utf8')
  request.on('data', (chunk: string) => (text += chunk))
  request.on('end', () => {
    const { model } = JSON.parse(text) as { model: string }
    const [kind, count = '0', pauseMs = '0'] = model.split(':')
    if (kind === 'hang') return
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    stream(response, Number(count), Number(pauseMs), kind === 'stamped' ? stamp : (sent) => `token${sent} `)
  })
})

function stream(response: ServerResponse, count: number, pauseMs: number, wordOf: (sent: number) => string) {
  let sent = 0
  const sendOne = () => {
    response.write(
      `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"${wordOf(sent)}"},"finish_reason":null}]}\n\n`,
    )
    sent += 1
  }
  const end = () =>
    response.end(
      'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
    )
  if (pauseMs === 0) {
    for (let left = count; left > 0; left -= 1) sendOne()
    end()
    return
  }
  sendOne()
  const timer = setInterval(() => {
    if (sent < count && !response.destroyed) return sendOne()
    clearInterval(timer)
    return end()
  }, pauseMs)
}

listenAndTell(server)
