import { beginInteractions, call, send } from './load.ts'

/**
 * Clients in a process of their own: as many replies in the making as `REPLIES` says, each followed by
 * `READERS_EACH`. Tells once every stream is open.
 */
const url = process.env['PARLEY'] ?? ''
const replies = Number(process.env['REPLIES'])
const readersEach = Number(process.env['READERS_EACH'])
const inParallel = 50

const ids = await beginInteractions(url, replies)
await Promise.all(
  Array.from({ length: inParallel }, async () => {
    for (let id = ids.pop(); id !== undefined; id = ids.pop()) await followOne(id)
  }),
)
process.send?.(0)

async function followOne(id: string) {
  const posted = await call<{ reply: { id: string } }>('POST', `${url}/v1/interactions/${id}/messages`, {
    content: 'Hello',
  })
  for (let reader = 0; reader < readersEach; reader += 1) {
    const { response } = await send('GET', `${url}/v1/messages/${posted.reply.id}/events`)
    if (response.statusCode !== 200) throw new Error(`a stream was answered with ${response.statusCode}`)
    response.on('end', () => {
      throw new Error('a stream ended')
    })
    await new Promise((resolve) => response.once('data', resolve))
    response.resume()
  }
}
