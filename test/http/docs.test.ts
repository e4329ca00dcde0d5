import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'

let parley: TestServer
let page: string
beforeAll(async () => {
  parley = await startServer()
  page = (await parley.get('/docs/')).body
})
afterAll(() => parley.stop())

/** What the page loads. */
function assets(): string[] {
  return [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address]) => address ?? '')
}

describe('the page of the reference', () => {
  test('loads scripts and styles, all of them from this server', async () => {
    expect(assets().filter((address) => address.endsWith('.js')).length).toBeGreaterThan(1)
    expect(assets().filter((address) => address.endsWith('.css')).length).toBeGreaterThan(0)
    for (const address of assets()) {
      const url = new URL(address, `${parley.url}/docs/`)
      expect(url.origin).toBe(parley.url)
      const response = await fetch(url)
      await response.bytes()
      expect(response.status, address).toBe(200)
    }
  })

  test('names no other site, nor do its styles', async () => {
    expect(page).not.toMatch(/https?:\/\//)
    for (const address of assets().filter((each) => each.endsWith('.css'))) {
      const { body } = await parley.get(new URL(address, `${parley.url}/docs/`).pathname)
      const loaded = [...body.matchAll(/@import\s*([^;]+)|url\(["']?([^"')]+)/g)].map(
        (each) => each[1] ?? each[2],
      )
      expect(loaded.filter((target) => !/^(data:|#)/.test(target))).toEqual([])
    }
  })

  test('shows the reference of this server, and asks no one else to check it', async () => {
    const { body } = await parley.get('/docs/static/swagger-initializer.js')
    expect(body).toContain("url: resolveUrl('./json')")
    expect(body).toContain('"validatorUrl":null')
    expect((await parley.get('/docs/json')).body).toEqual((await parley.get('/openapi.json')).body)
  })

  test('is found with and without a slash at its end', async () => {
    const answer = await fetch(`${parley.url}/docs`)
    expect(answer.status).toBe(200)
    expect(await answer.text()).toContain('swagger-ui')
  })

  test('lets nobody out of its folder', async () => {
    for (const path of [
      '/docs/static/%2e%2e/package.json',
      '/docs/static/..%2fpackage.json',
      '/docs/static/%00',
      '/docs/static/nothing.js',
    ]) {
      const { status, body } = await parley.get(path)
      expect(status, path).toBe(404)
      expect(JSON.stringify(body)).not.toContain('swagger-ui')
    }
  })
})
