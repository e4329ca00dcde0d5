import type { Client } from '../client.ts'
import type { Operation } from '../openapi.ts'

const keptInteractions = 4

/** Ids of what is there, so that not every call is about nothing. */
export function createKnownIds(client: Pick<Client, 'begin' | 'get' | 'post' | 'request'>) {
  const interactions: string[] = []

  async function someInteraction(at: number): Promise<string> {
    if (interactions.length < keptInteractions) interactions.push(await client.begin())
    return interactions[at % interactions.length] ?? ''
  }

  /** An id for the path of `operation`; `at` chooses. What is deleted is made for it, or is in use meanwhile. */
  async function pick({ method, path }: Operation, at: number): Promise<string> {
    if (!path.includes('{id}')) return ''
    if (path.startsWith('/v1/models/')) return at % 2 === 0 ? 'builtin%2Feliza' : 'gone'
    if (path.startsWith('/v1/chat/')) return `chatcmpl-${digits(await someInteraction(at))}`
    if (path.startsWith('/v1/responses/')) return `resp_${digits(await someMessage(at, method === 'DELETE'))}`
    if (path.startsWith('/v1/conversations/')) {
      const isNew = method === 'DELETE' && !path.endsWith('{item}')
      return `conv_${digits(isNew ? await client.begin() : await someInteraction(at))}`
    }
    if (path.includes('/messages/{id}')) return someMessage(at, method === 'DELETE')
    if (method !== 'DELETE') return someInteraction(at)
    return (at % 4 === 0 && interactions.pop()) || client.begin()
  }

  /** The id of an item of the conversation `conversationId`, for the path of `operation`. */
  async function pickItem({ path }: Operation, conversationId: string, at: number): Promise<string> {
    if (!path.includes('{item}')) return ''
    const items = `/v1/conversations/${conversationId}/items`
    const { body: page } = await client.get(items)
    if (page.data?.length > 0) return page.data[at % page.data.length].id
    const said = { role: at % 2 === 0 ? 'user' : 'assistant', content: 'Hello' }
    const { body: posted } = await client.post(items, { items: [said] })
    return posted.data?.[0]?.id ?? 'msg_none'
  }

  async function someMessage(at: number, isNew: boolean): Promise<string> {
    const interaction = await someInteraction(at)
    const path = `/v1/interactions/${interaction}/messages`
    const { body: page } = await client.get(`${path}?order=desc&limit=10`)
    if (page.data?.length > 0 && !isNew) return page.data[at % page.data.length].id
    const { body: posted } = await client.post(path, { content: 'Hello', wait_ms: at % 2 === 0 ? 1_000 : 0 })
    // Deleted meanwhile, it has no message; its own id is that of none.
    return (at % 3 === 0 ? posted.message?.id : posted.reply?.id) ?? interaction
  }

  /** `query` with ids from the list at `path` for its places. */
  async function fill(path: string, query: string): Promise<string> {
    if (!query.includes('{known')) return query
    const { body } = await client.get(path)
    const data: Array<{ id: string }> = body.data ?? []
    return query.replaceAll(/\{known(\d+)\}/g, (_, at) => data[Number(at) % data.length]?.id ?? '')
  }

  /** Forgets and deletes all that is there: what grows and grows only makes the next calls slow. */
  async function clear(): Promise<void> {
    interactions.length = 0
    for (;;) {
      const { body } = await client.get('/v1/interactions?limit=100')
      await Promise.all(
        body.data.map(({ id }: { id: string }) => client.request('DELETE', `/v1/interactions/${id}`)),
      )
      if (!body.has_more) return
    }
  }

  return { pick, pickItem, fill, clear }
}

function digits(id: string): string {
  return id.replaceAll('-', '')
}
