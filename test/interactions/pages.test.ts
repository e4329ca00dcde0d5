import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nobody } from '../support/patterns.ts'
import { readPages } from '../support/pages.ts'
import { startServer, type TestServer } from '../support/server.ts'

let parley: TestServer
/** Oldest first. */
let ids: string[]

beforeAll(async () => {
  parley = await startServer()
  ids = []
  for (let count = 0; count < 7; count += 1) ids.push(await parley.begin())
})
afterAll(() => parley.stop())

const read = (query: string) => readPages(parley, '/v1/interactions', query)

describe('interactions, page by page', () => {
  test('come newest first, twenty at a time, unless asked otherwise', async () => {
    const { body } = await parley.get('/v1/interactions')
    expect(body).toMatchObject({ object: 'list', has_more: false, next: null })
    expect(Object.keys(body).toSorted()).toEqual(['data', 'has_more', 'next', 'object'])
    expect(body.data.map(({ id }: { id: string }) => id)).toEqual(ids.toReversed())
    const others = await startServer()
    await Promise.all(Array.from({ length: 21 }, () => others.begin()))
    const first = await others.get('/v1/interactions')
    await others.stop()
    expect(first.body.data).toHaveLength(20)
    expect(first.body.has_more).toBe(true)
  })

  test.each(['asc', 'desc'])('are each there once behind the cursor, order %s', async (order) => {
    const pages = await read(`order=${order}&limit=3`)
    expect(pages.map((page) => page.length)).toEqual([3, 3, 1])
    expect(pages.flat()).toEqual(order === 'asc' ? ids : ids.toReversed())
  })

  test.each(['asc', 'desc'])('are each there once in front of the cursor, order %s', async (order) => {
    const inOrder = order === 'asc' ? ids : ids.toReversed()
    const pages = await read(`order=${order}&limit=2&before=${inOrder.at(-1)}`)
    expect(pages.map((page) => page.length)).toEqual([2, 2, 2])
    // The pages go backwards, each of them in order.
    expect(pages.toReversed().flat()).toEqual(inOrder.slice(0, -1))
  })

  test('are a page of their own between two cursors', async () => {
    const [page] = await read(`order=asc&after=${ids[1]}&before=${ids[4]}`)
    expect(page).toEqual(ids.slice(2, 4))
  })

  test('say that nothing follows where a page is just full', async () => {
    const { body } = await parley.get('/v1/interactions?limit=7')
    expect(body.data).toHaveLength(7)
    expect(body).toMatchObject({ has_more: false, next: null })
  })

  test('follow a cursor in capitals, and one whose interaction is gone', async () => {
    const upper = await read(`order=asc&after=${ids[2]?.toUpperCase()}`)
    expect(upper.flat()).toEqual(ids.slice(3))
    expect((await read(`order=asc&after=${nobody}`)).flat()).toEqual(ids)
  })

  test('neither repeat nor go missing while others begin', async () => {
    const pages = await readPages(parley, '/v1/interactions', 'limit=2', () => parley.begin())
    expect(pages.flat()).toEqual(ids.toReversed())
  })

  test.each([
    ['limit', 'limit=0'],
    ['limit', 'limit=101'],
    ['limit', 'limit=ten'],
    ['limit', 'limit=1e1'],
    ['limit', 'limit=2&limit=3'],
    ['order', 'order=random'],
    ['after', 'after=me'],
    ['before', 'before='],
    ['include', 'include=everything'],
    ['offset', 'offset=3'],
  ])('are refused for a wrong %s: %s', async (field, query) => {
    const { status, body } = await parley.get(`/v1/interactions?${query}`)
    expect(status).toBe(422)
    expect(body.errors).toEqual([{ in: 'query', field, message: expect.any(String) }])
  })
})
