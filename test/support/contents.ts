import type { Json } from './client.ts'

const together = 16

/**
 * All that a server says of what it keeps: every page of interactions, of their messages, and every stream of
 * events, byte for byte, by its path. `keep` may make something shorter of an answer.
 */
export async function readContents(
  url: string,
  keep: (body: string) => string = (body) => body,
): Promise<Map<string, string>> {
  const contents = new Map<string, string>()

  async function read(path: string): Promise<string> {
    const response = await fetch(url + path)
    const body = await response.text()
    if (response.status !== 200) throw new Error(`${path}: ${response.status} ${body}`)
    contents.set(path, keep(body))
    return body
  }

  async function* pages(path: string): AsyncGenerator<Json[]> {
    for (let after = ''; ;) {
      const page: Json = JSON.parse(await read(`${path}limit=100${after}`))
      yield page.data
      if (!page.next) return
      after = `&after=${page.next}`
    }
  }

  async function readInteraction(id: string) {
    for await (const messages of pages(`/v1/interactions/${id}/messages?`)) {
      for (const message of messages) if (message.model) await read(`/v1/messages/${message.id}/events`)
    }
  }

  for await (const interactions of pages('/v1/interactions?order=asc&')) {
    const left = interactions.map(({ id }) => id as string)
    const reader = async () => {
      for (let id = left.pop(); id; id = left.pop()) await readInteraction(id)
    }
    await Promise.all(Array.from({ length: together }, reader))
  }
  return contents
}
