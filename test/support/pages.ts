import type { Client } from './client.ts'

/**
 * The ids of all pages of a list, following `next` with the cursor that `query` names (`after` where it names
 * none). `between` happens after each page.
 */
export async function readPages(
  client: Pick<Client, 'get'>,
  path: string,
  query: string,
  between?: () => Promise<unknown>,
): Promise<string[][]> {
  const parameters = new URLSearchParams(query)
  const cursor = parameters.has('before') && !parameters.has('after') ? 'before' : 'after'
  const pages: string[][] = []
  for (;;) {
    const { status, body } = await client.get(`${path}?${parameters.toString()}`)
    if (status !== 200) throw new Error(`no page: ${JSON.stringify(body)}`)
    pages.push(body.data.map(({ id }: { id: string }) => id))
    if (body.has_more !== (body.next !== null)) throw new Error('has_more and next disagree')
    if (!body.has_more) return pages
    parameters.set(cursor, body.next)
    await between?.()
  }
}
