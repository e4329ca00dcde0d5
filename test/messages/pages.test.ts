import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readPages } from '../support/pages.ts'
import { startServer, type TestServer } from '../support/server.ts'

let parley: TestServer
let path: string
/** Oldest first. */
let ids: string[]

beforeAll(async () => {
  parley = await startServer()
  path = `/v1/interactions/${await parley.begin()}/messages`
  ids = []
  for (let count = 0; count < 7; count += 1) ids.push(await store(path))
})
afterAll(() => parley.stop())

async function store(where: string): Promise<string> {
  const { body } = await parley.post(where, { content: 'Hello', role: 'System' })
  return body.message.id
}

const read = (query: string) => readPages(parley, path, query)

describe('messages, page by page', () => {
  test('come oldest first unless asked otherwise', async () => {
    const { body } = await parley.get(path)
    expect(body.data.map(({ id }: { id: string }) => id)).toEqual(ids)
    expect(body).toMatchObject({ object: 'list', has_more: false, next: null })
  })

  test.each(['asc', 'desc'])('are each there once behind the cursor, order %s', async (order) => {
    const pages = await read(`order=${order}&limit=3`)
    expect(pages.map((page) => page.length)).toEqual([3, 3, 1])
    expect(pages.flat()).toEqual(order === 'asc' ? ids : ids.toReversed())
  })

  test.each(['asc', 'desc'])('are each there once in front of the cursor, order %s', async (order) => {
    const inOrder = order === 'asc' ? ids : ids.toReversed()
    const pages = await read(`order=${order}&limit=2&before=${inOrder.at(-1)}`)
    expect(pages.toReversed().flat()).toEqual(inOrder.slice(0, -1))
    // The page next to the cursor comes first, in order.
    expect(pages[0]).toEqual(inOrder.slice(-3, -1))
  })

  test('are a page of their own between two cursors', async () => {
    expect(await read(`after=${ids[1]}&before=${ids[4]}`)).toEqual([ids.slice(2, 4)])
    expect(await read(`order=desc&after=${ids[4]}&before=${ids[1]}`)).toEqual([[ids[3], ids[2]]])
  })

  test.each(['asc', 'desc'])('neither repeat nor go missing while more is said, order %s', async (order) => {
    const busy = `/v1/interactions/${await parley.begin()}/messages`
    const said = [await store(busy), await store(busy), await store(busy), await store(busy)]
    let left = 3
    const pages = await readPages(parley, busy, `order=${order}&limit=2`, async () => {
      if ((left -= 1) >= 0) said.push(await store(busy))
    })
    const found = pages.flat()
    expect(new Set(found).size).toBe(found.length)
    if (order === 'asc') expect(found).toEqual(said)
    else expect(found).toEqual(said.slice(0, 4).toReversed())
  })

  test.each(['after', 'before'])('know no %s that is of another interaction, or gone', async (cursor) => {
    const stranger = await store(`/v1/interactions/${await parley.begin()}/messages`)
    const { status, body } = await parley.get(`${path}?${cursor}=${stranger}`)
    expect(status).toBe(422)
    expect(body.errors).toEqual([
      { in: 'query', field: cursor, message: 'is no message of this interaction' },
    ])
  })

  test('know which of two cursors is wrong', async () => {
    const stranger = await store(`/v1/interactions/${await parley.begin()}/messages`)
    const { body } = await parley.get(`${path}?after=${ids[0]}&before=${stranger}`)
    expect(body.errors).toEqual([
      { in: 'query', field: 'before', message: 'is no message of this interaction' },
    ])
  })
})
